// Compiled once for each instruction set; each function computes what its twin in codes_ref.cc
// defines, bit for bit.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/codes_add.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "compress/kernels/ahead.h"
#include "compress/kernels/codes-inl.h"
#include "compress/kernels/codes.h"
#include "protocol/check.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class F>
HWY_INLINE VI load_words(const std::byte* from) {
  if constexpr (F::kBits == 4) {
    return hn::LoadU(DI(), reinterpret_cast<const std::int32_t*>(from));
  } else {
    const hn::Rebind<std::uint16_t, D> narrow;
    return hn::PromoteTo(DI(), hn::LoadU(narrow, reinterpret_cast<const std::uint16_t*>(from)));
  }
}

#if HWY_TARGET <= HWY_AVX3
// What a code adds, for each value of the four lowest bits of a word that begins with it.
template <class F>
HWY_INLINE V table_of(V unit) {
  constexpr int kUnused = 32 - F::kBits;
  const VI code = hn::ShiftRight<kUnused>(hn::ShiftLeft<kUnused>(hn::Iota(DI(), 0)));
  return hn::Mul(levels<F>(code), unit);
}

// vpermps looks at the four lowest bits alone.
HWY_INLINE V looked_up(V table, VU words) {
  return hn::TableLookupLanes(table, hn::Indices512<float>{words.raw});
}

template <class F>
HWY_INLINE void add_words(const std::byte* HWY_RESTRICT codes, V table, float* HWY_RESTRICT y) {
  VU words = hn::BitCast(DU(), load_words<F>(codes));
  for (std::size_t j = 0; j < 8; ++j) {
    const V sum = hn::Add(hn::LoadU(D(), y + 16 * j), looked_up(table, words));
    hn::StoreU(sum, D(), y + 16 * j);
    words = hn::ShiftRight<F::kBits>(words);
  }
}
#endif

// `step` is what step_of returns.
template <class F>
HWY_INLINE void add_block(const std::byte* HWY_RESTRICT codes, V step, float* HWY_RESTRICT y) {
#if HWY_TARGET <= HWY_AVX3
  if constexpr (F::kBits != 8) return add_words<F>(codes, step, y);
#endif
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
      hn::StoreU(hn::Add(hn::LoadU(D(), at), hn::Mul(levels<F>(code), step)), D(), at);
    }
  }
}

template <class F>
HWY_INLINE V step_of(float unit) {
#if HWY_TARGET <= HWY_AVX3
  if constexpr (F::kBits != 8) return table_of<F>(hn::Set(D(), unit));
#endif
  return hn::Set(D(), unit);
}

template <class F>
void AddAs(const std::byte* HWY_RESTRICT codes, float unit, float* HWY_RESTRICT y,
           std::size_t size) {
  const V step = step_of<F>(unit);
  std::size_t i = 0;
  for (; i + kCodeBlock <= size; i += kCodeBlock, codes += F::kBlockBytes) {
    ask_ahead<true>(y + i, kCodeBlock);
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

void AddCodes(const std::byte* codes, const CodeFormat& format, std::span<const float> units,
              std::size_t bucket, std::span<float> y) {
  with_format(format, [&]<class F>(F) HWY_ATTR {
    for (const float unit : units) {
      const std::size_t size = std::min(bucket, y.size());
      AddAs<F>(codes, unit, y.data(), size);
      codes += code_bytes(F::kBits, size);
      y = y.subspan(size);
    }
  });
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(AddCodes);

void add_codes(const std::byte* codes, const CodeFormat& format, std::span<const float> units,
               std::size_t bucket, std::span<float> y) {
  INVARIANT(known(format) && bucket > 0 && (y.size() + bucket - 1) / bucket == units.size());
  INVARIANT(units.size() < 2 || bucket % kCodeBlock == 0);
  HWY_DYNAMIC_DISPATCH(AddCodes)(codes, format, units, bucket, y);
}

}  // namespace starling::compress
#endif  // HWY_ONCE
