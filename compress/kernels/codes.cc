// Compiled once for each instruction set; each function computes what its twin in codes_ref.cc
// defines, bit for bit.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/codes.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "compress/kernels/codes.h"
#include "compress/kernels/counter_random-inl.h"
#include "protocol/check.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using DI = hn::RebindToSigned<D>;
using DU = hn::RebindToUnsigned<D>;
using V = hn::Vec<D>;
using VI = hn::Vec<DI>;
using VU = hn::Vec<DU>;
constexpr std::size_t kWidth = hn::MaxLanes(D());
constexpr std::size_t kParts = 16 / kWidth;

template <unsigned kBitsOf, Grid kGridOf>
struct Format {
  static constexpr unsigned kBits = kBitsOf;
  static constexpr Grid kGrid = kGridOf;
  static constexpr int kLevels = levels_of(CodeFormat{kBits, kGrid});
  static constexpr std::size_t kBlockBytes = code_bytes(kBits, kCodeBlock);
};

// What goes before a fraction: for uniform levels the exponent of [1, 2).
template <class F>
constexpr std::uint32_t kBefore = F::kGrid == Grid::powers ? 0 : 0x3f800000;

// The upper 16 bits of a random fraction of 23, and a half of the last of them.
template <class F>
HWY_INLINE VU as_fraction(VU bits) {
  return hn::OrAnd(hn::Set(DU(), kBefore<F> | 0x40), bits, hn::Set(DU(), 0x7fff80));
}

template <class F>
HWY_INLINE VI uniform_codes(V x, V v, VU fraction) {
  const V offset = hn::Sub(hn::BitCast(D(), fraction), hn::Set(D(), 1.5f));
  const V cut = hn::Min(hn::Add(v, offset), hn::Set(D(), static_cast<float>(F::kLevels)));
  const V with_sign = hn::Xor(cut, hn::And(x, hn::SignBit(D())));
  // In [2^23, 2^24) the steps of float are 1.
  const V base = hn::Set(D(), 0x1.8p23f);
  return hn::Sub(hn::BitCast(DI(), hn::Add(with_sign, base)), hn::BitCast(DI(), base));
}

template <class F>
HWY_INLINE VI power_codes(V x, V v, VU fraction) {
  const VI field = hn::Set(DI(), 128 - F::kLevels);
  const V lowest = hn::BitCast(D(), hn::ShiftLeft<23>(field));
  const auto small = hn::Lt(v, lowest);
  const V shifted = hn::IfThenElse(small, hn::Add(v, lowest), v);
  const VU rounded = hn::Add(hn::BitCast(DU(), shifted), fraction);
  const VI exponent = hn::BitCast(DI(), hn::ShiftRight<23>(rounded));
  const VI above = hn::Sub(exponent, hn::Set(DI(), 127 - F::kLevels));
  const VI minus_one = hn::VecFromMask(DI(), hn::RebindMask(DI(), small));
  const VI size = hn::Min(hn::Add(above, minus_one), hn::Set(DI(), F::kLevels));
  const VI minus = hn::BroadcastSignBit(hn::BitCast(DI(), x));
  return hn::Sub(hn::Xor(size, minus), minus);
}

template <class F>
HWY_INLINE VI codes_of(V x, V inverse, VU fraction) {
  const V v = hn::Mul(hn::Abs(x), inverse);
  if constexpr (F::kGrid == Grid::powers) return power_codes<F>(x, v, fraction);
  return uniform_codes<F>(x, v, fraction);
}

template <class F>
HWY_INLINE V levels(VI code) {
  if constexpr (F::kGrid != Grid::powers) {
    return hn::ConvertTo(D(), code);
  } else {
    const VI field = hn::Add(hn::Abs(code), hn::Set(DI(), 127 - F::kLevels));
    const V power = hn::BitCast(D(), hn::ShiftLeft<23>(field));
    const V with_sign = hn::CopySignToAbs(power, hn::BitCast(D(), code));
    return hn::IfThenZeroElse(hn::RebindMask(D(), hn::Eq(code, hn::Zero(DI()))), with_sign);
  }
}

// The words of one vector of 8 fields each.
template <class F>
HWY_INLINE void store_words(VI words, std::byte* to) {
  if constexpr (F::kBits == 4) {
    hn::StoreU(words, DI(), reinterpret_cast<std::int32_t*>(to));
  } else {
    const hn::Rebind<std::uint16_t, D> narrow;
    hn::StoreU(hn::TruncateTo(narrow, hn::BitCast(DU(), words)), narrow,
               reinterpret_cast<std::uint16_t*>(to));
  }
}

template <class F>
HWY_INLINE VI load_words(const std::byte* from) {
  if constexpr (F::kBits == 4) {
    return hn::LoadU(DI(), reinterpret_cast<const std::int32_t*>(from));
  } else {
    const hn::Rebind<std::uint16_t, D> narrow;
    return hn::PromoteTo(DI(), hn::LoadU(narrow, reinterpret_cast<const std::uint16_t*>(from)));
  }
}

// One block. Lane l of part p of the j-th sixteen is element 16j + p · kWidth + l; two sixteens
// share a draw. Calls see(at, v, code) with what was loaded from `at`.
template <class F, bool kStochastic, class See>
HWY_INLINE void write_block(const float* x, const CodeDraw& draw, std::byte* HWY_RESTRICT codes,
                            See&& see) {
  const V inverse = hn::Set(D(), draw.inverse);
  for (std::size_t part = 0; part < kParts; ++part) {
    VI words = hn::Zero(DI());
    for (std::size_t pair = 4; pair-- > 0;) {
      VU low = hn::Set(DU(), kBefore<F> | 0x400000), high = low;
      if constexpr (kStochastic) {
        const std::size_t index = draw.first / 2 + pair * 16 + part * kWidth;
        const VU random = random_lanes(DU(), draw.key, static_cast<std::uint32_t>(index));
        low = as_fraction<F>(hn::ShiftLeft<7>(random));
        high = as_fraction<F>(hn::ShiftRight<9>(random));
      }
      for (std::size_t j = 2 * pair + 2; j-- > 2 * pair;) {
        const std::size_t at = 16 * j + part * kWidth;
        const V v = hn::LoadU(D(), x + at);
        const VI code = codes_of<F>(v, inverse, j % 2 == 0 ? low : high);
        see(at, v, code);
        if constexpr (F::kBits == 8) {
          const hn::Rebind<std::int8_t, D> narrow;
          hn::StoreU(hn::DemoteTo(narrow, code), narrow,
                     reinterpret_cast<std::int8_t*>(codes + at));
        } else {
          const VI field = hn::And(code, hn::Set(DI(), (1 << F::kBits) - 1));
          words = hn::Or(hn::ShiftLeft<F::kBits>(words), field);
        }
      }
    }
    if constexpr (F::kBits != 8) store_words<F>(words, codes + part * kWidth * F::kBits);
  }
}

template <class F>
HWY_INLINE void add_block(const std::byte* HWY_RESTRICT codes, V unit, float* HWY_RESTRICT y) {
  for (std::size_t part = 0; part < kParts; ++part) {
    VI words = hn::Zero(DI());
    if constexpr (F::kBits != 8) words = load_words<F>(codes + part * kWidth * F::kBits);
    for (std::size_t j = 0; j < 8; ++j) {
      float* at = y + 16 * j + part * kWidth;
      VI code;
      if constexpr (F::kBits == 8) {
        const hn::Rebind<std::int8_t, D> narrow;
        const auto* from = reinterpret_cast<const std::int8_t*>(codes + 16 * j + part * kWidth);
        code = hn::PromoteTo(DI(), hn::LoadU(narrow, from));
      } else {
        code = hn::ShiftRight<32 - F::kBits>(hn::ShiftLeft<32 - F::kBits>(words));
        words = hn::ShiftRight<F::kBits>(words);
      }
      hn::StoreU(hn::Add(hn::LoadU(D(), at), hn::Mul(levels<F>(code), unit)), D(), at);
    }
  }
}

// Whole blocks in place, the rest in a block that zeros fill up.
template <class F, bool kStochastic>
void WriteAs(const float* x, std::size_t size, CodeDraw draw, std::byte* codes) {
  const auto see = [](std::size_t, V, VI) HWY_ATTR {};
  std::size_t i = 0;
  for (; i + kCodeBlock <= size; i += kCodeBlock, draw.first += kCodeBlock) {
    write_block<F, kStochastic>(x + i, draw, codes, see);
    codes += F::kBlockBytes;
  }
  if (i == size) return;
  std::array<float, kCodeBlock> rest{};
  std::array<std::byte, F::kBlockBytes> bytes;
  std::copy(x + i, x + size, rest.begin());
  write_block<F, kStochastic>(rest.data(), draw, bytes.data(), see);
  std::memcpy(codes, bytes.data(), code_bytes(F::kBits, size - i));
}

template <class F, bool kStochastic>
void SubtractAs(float* e, std::size_t size, CodeDraw draw, float unit, std::byte* codes) {
  const V step = hn::Set(D(), unit);
  const auto subtract_from = [step](float* from) HWY_ATTR {
    return [=](std::size_t at, V v, VI code)
               HWY_ATTR { hn::StoreU(hn::Sub(v, hn::Mul(levels<F>(code), step)), D(), from + at); };
  };
  std::size_t i = 0;
  for (; i + kCodeBlock <= size; i += kCodeBlock, draw.first += kCodeBlock) {
    write_block<F, kStochastic>(e + i, draw, codes, subtract_from(e + i));
    codes += F::kBlockBytes;
  }
  if (i == size) return;
  std::array<float, kCodeBlock> rest{};
  std::array<std::byte, F::kBlockBytes> bytes;
  std::copy(e + i, e + size, rest.begin());
  write_block<F, kStochastic>(rest.data(), draw, bytes.data(), subtract_from(rest.data()));
  std::copy(rest.begin(), rest.begin() + (size - i), e + i);
  std::memcpy(codes, bytes.data(), code_bytes(F::kBits, size - i));
}

template <class F>
void AddAs(const std::byte* HWY_RESTRICT codes, float unit, float* HWY_RESTRICT y,
           std::size_t size) {
  const V step = hn::Set(D(), unit);
  std::size_t i = 0;
  for (; i + kCodeBlock <= size; i += kCodeBlock, codes += F::kBlockBytes) {
    add_block<F>(codes, step, y + i);
  }
  if (i == size) return;
  std::array<float, kCodeBlock> rest{};
  std::array<std::byte, F::kBlockBytes> bytes{};
  std::copy(y + i, y + size, rest.begin());
  std::memcpy(bytes.data(), codes, code_bytes(F::kBits, size - i));
  add_block<F>(bytes.data(), step, rest.data());
  std::copy(rest.begin(), rest.begin() + (size - i), y + i);
}

// Calls work(Format<…>()) of the format.
template <class Work>
HWY_INLINE void with_format(const CodeFormat& format, Work&& work) {
  if (format.grid == Grid::powers) return work(Format<4, Grid::powers>());
  if (format.grid == Grid::ternary) return work(Format<8, Grid::ternary>());
  if (format.bits == 2) return work(Format<2, Grid::uniform>());
  if (format.bits == 4) return work(Format<4, Grid::uniform>());
  work(Format<8, Grid::uniform>());
}

void Write(const float* x, std::size_t size, const CodeFormat& format, const CodeDraw& draw,
           std::byte* codes) {
  with_format(format, [&]<class F>(F) HWY_ATTR {
    if (format.rounding == Rounding::stochastic) {
      WriteAs<F, true>(x, size, draw, codes);
    } else {
      WriteAs<F, false>(x, size, draw, codes);
    }
  });
}

void WriteAndSubtract(float* e, std::size_t size, const CodeFormat& format, const CodeDraw& draw,
                      float unit, std::byte* codes) {
  with_format(format, [&]<class F>(F) HWY_ATTR {
    if (format.rounding == Rounding::stochastic) {
      SubtractAs<F, true>(e, size, draw, unit, codes);
    } else {
      SubtractAs<F, false>(e, size, draw, unit, codes);
    }
  });
}

void AddCodes(const std::byte* codes, const CodeFormat& format, float unit, float* y,
              std::size_t size) {
  with_format(format, [&]<class F>(F) HWY_ATTR { AddAs<F>(codes, unit, y, size); });
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {
namespace {

bool known(const CodeFormat& format) {
  switch (format.grid) {
    case Grid::uniform: return format.bits == 2 || format.bits == 4 || format.bits == 8;
    case Grid::powers: return format.bits == 4;
    case Grid::ternary: return format.bits == 8;
  }
  return false;
}

}  // namespace

HWY_EXPORT(Write);
HWY_EXPORT(WriteAndSubtract);
HWY_EXPORT(AddCodes);

void write_codes(std::span<const float> x, const CodeFormat& format, const CodeDraw& draw,
                 std::byte* codes) {
  INVARIANT(known(format) && draw.first % 32 == 0);
  HWY_DYNAMIC_DISPATCH(Write)(x.data(), x.size(), format, draw, codes);
}

void write_codes_and_subtract(std::span<float> e, const CodeFormat& format, const CodeDraw& draw,
                              float unit, std::byte* codes) {
  INVARIANT(known(format) && draw.first % 32 == 0);
  HWY_DYNAMIC_DISPATCH(WriteAndSubtract)(e.data(), e.size(), format, draw, unit, codes);
}

void add_codes(const std::byte* codes, const CodeFormat& format, float unit, std::span<float> y) {
  INVARIANT(known(format));
  HWY_DYNAMIC_DISPATCH(AddCodes)(codes, format, unit, y.data(), y.size());
}

}  // namespace starling::compress
#endif  // HWY_ONCE
