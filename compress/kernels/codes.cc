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

#include "compress/kernels/codes-inl.h"
#include "compress/kernels/codes.h"
#include "compress/kernels/counter_random-inl.h"
#include "protocol/check.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// What goes before a fraction: for uniform levels the exponent of [1, 2).
template <class F>
constexpr std::uint32_t kBefore = F::kGrid == Grid::powers ? 0 : 0x3f800000;

// The upper 16 bits of a random fraction of 23, and a half of the last of them.
template <class F>
HWY_INLINE VU as_fraction(VU bits) {
  return hn::OrAnd(hn::Set(DU(), kBefore<F> | 0x40), bits, hn::Set(DU(), 0x7fff80));
}

// Of the elements of two vectors that share their draws.
struct Fractions {
  VU low, high;
};

// Those of random_bits(key, index) of every lane, of which `counter` is the lower half of the key
// plus the index. The last step of the mix is z ^ (z >> 16).
template <class F>
HWY_INLINE Fractions random_fractions(VU counter, VU key_high) {
  const VU z = mix_lanes_but_last(DU(), hn::Xor(key_high, counter));
  const VU high = hn::ShiftRight<9>(z);
  return {as_fraction<F>(hn::Xor(hn::ShiftLeft<7>(z), high)), as_fraction<F>(high)};
}

// A code and 1.5 · 2^23: in [2^23, 2^24) the steps of float are 1. Its lowest bits are the code's.
constexpr float kBase = 0x1.8p23f;

template <class F>
HWY_INLINE V uniform_codes(V x, V inverse, VU fraction) {
  const V offset = hn::Sub(hn::BitCast(D(), fraction), hn::Set(D(), 1.5f));
  const V most = hn::Set(D(), static_cast<float>(F::kLevels));
#if HWY_TARGET <= HWY_AVX3
  // With the sign from the start: one instruction cuts at both ends (the smaller magnitude, the
  // sign of the first).
  const V with_sign = hn::Xor(offset, hn::And(x, hn::SignBit(D())));
  const V cut{_mm512_range_ps(hn::Add(hn::Mul(x, inverse), with_sign).raw, most.raw, 2)};
#else
  const V cut_size = hn::Min(hn::Add(hn::Mul(hn::Abs(x), inverse), offset), most);
  const V cut = hn::Xor(cut_size, hn::And(x, hn::SignBit(D())));
#endif
  return hn::Add(cut, hn::Set(D(), kBase));
}

template <class F>
HWY_INLINE VI power_codes(V x, V inverse, VU fraction) {
  const V v = hn::Mul(hn::Abs(x), inverse);
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

// Codes, for Grid::powers as integers, else as uniform_codes leaves them.
template <class F>
HWY_INLINE auto codes_of(V x, V inverse, VU fraction) {
  if constexpr (F::kGrid == Grid::powers) return power_codes<F>(x, inverse, fraction);
  if constexpr (F::kGrid != Grid::powers) return uniform_codes<F>(x, inverse, fraction);
}

template <class F>
HWY_INLINE VI integers(VI code) {
  return code;
}

template <class F>
HWY_INLINE VI integers(V code) {
  return hn::Sub(hn::BitCast(DI(), code), hn::BitCast(DI(), hn::Set(D(), kBase)));
}

template <class F>
HWY_INLINE V levels(V code) {
  return hn::Sub(code, hn::Set(D(), kBase));
}

// The words of one vector of 8 fields each.
template <class F>
HWY_INLINE void store_words(VU words, std::byte* to) {
  if constexpr (F::kBits == 4) {
    hn::StoreU(words, DU(), reinterpret_cast<std::uint32_t*>(to));
  } else {
    const hn::Rebind<std::uint16_t, D> narrow;
    hn::StoreU(hn::TruncateTo(narrow, words), narrow, reinterpret_cast<std::uint16_t*>(to));
  }
}

// What all elements of a block have in common.
template <class See>
struct BlockOf {
  const float* x;
  std::byte* codes;
  V inverse;
  VU counter;  // lane l: the lower half of the key plus the index at which element l draws
  VU key_high;
  See& see;
};

// The elements from `at`. Returns the words with their codes in the lowest fields.
template <class F, class See>
HWY_INLINE VU write_lanes(const BlockOf<See>& block, std::size_t at, VU fraction, VU words) {
  const V v = hn::LoadU(D(), block.x + at);
  const auto code = codes_of<F>(v, block.inverse, fraction);
  block.see(at, v, code);
  if constexpr (F::kBits == 8) {
    const hn::Rebind<std::int8_t, D> narrow;
    hn::StoreU(hn::DemoteTo(narrow, integers<F>(code)), narrow,
               reinterpret_cast<std::int8_t*>(block.codes + at));
    return words;
  } else {
    return hn::OrAnd(hn::ShiftLeft<F::kBits>(words), hn::BitCast(DU(), code),
                     hn::Set(DU(), (1 << F::kBits) - 1));
  }
}

// Two sixteens, which share their draws.
template <class F, bool kStochastic, class See>
HWY_INLINE VU write_pair(const BlockOf<See>& block, std::size_t pair, std::size_t part, VU words) {
  Fractions u{hn::Set(DU(), kBefore<F> | 0x400000), hn::Set(DU(), kBefore<F> | 0x400000)};
  if constexpr (kStochastic) {
    const auto index = static_cast<std::uint32_t>(pair * 16 + part * kWidth);
    u = random_fractions<F>(hn::Add(block.counter, hn::Set(DU(), index)), block.key_high);
  }
  const std::size_t at = pair * 32 + part * kWidth;
  words = write_lanes<F>(block, at + 16, u.high, words);
  return write_lanes<F>(block, at, u.low, words);
}

// One block. Lane l of part p of the j-th sixteen is element 16j + p · kWidth + l.
// Calls see(at, v, code) with what was loaded from `at`.
template <class F, bool kStochastic, class See>
HWY_INLINE void write_block(const float* x, const CodeDraw& draw, std::byte* HWY_RESTRICT codes,
                            See&& see) {
  const auto first =
      static_cast<std::uint32_t>(draw.key) + static_cast<std::uint32_t>(draw.first / 2);
  const BlockOf<See> block{x,
                           codes,
                           hn::Set(D(), draw.inverse),
                           hn::Add(hn::Iota(DU(), 0), hn::Set(DU(), first)),
                           hn::Set(DU(), static_cast<std::uint32_t>(draw.key >> 32)),
                           see};
  for (std::size_t part = 0; part < kParts; ++part) {
    VU words = hn::Zero(DU());
    words = write_pair<F, kStochastic>(block, 3, part, words);
    words = write_pair<F, kStochastic>(block, 2, part, words);
    words = write_pair<F, kStochastic>(block, 1, part, words);
    words = write_pair<F, kStochastic>(block, 0, part, words);
    if constexpr (F::kBits != 8) store_words<F>(words, codes + part * kWidth * F::kBits);
  }
}

// Whole blocks in place, the rest in a block that zeros fill up.
template <class F, bool kStochastic>
void WriteAs(const float* x, std::size_t size, CodeDraw draw, std::byte* codes) {
  const auto see = [](std::size_t, V, auto) HWY_ATTR {};
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
    return [=](std::size_t at, V v, auto code)
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

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(Write);
HWY_EXPORT(WriteAndSubtract);

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

}  // namespace starling::compress
#endif  // HWY_ONCE
