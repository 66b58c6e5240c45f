// What the kernels of codes.h have in common. Included once for each instruction set.
#if defined(STARLING_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STARLING_CODES_INL_H_
#undef STARLING_CODES_INL_H_
#else
#define STARLING_CODES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "compress/kernels/codes.h"

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
  static constexpr unsigned kPoint = point_of({kBits, kGrid});
  static constexpr int kLevels = levels_of(CodeFormat{kBits, kGrid});
  static constexpr CodeFormat format(bool stochastic) {
    return {kBits, kGrid, stochastic ? Rounding::stochastic : Rounding::nearest};
  }
  static constexpr std::size_t kBlockBytes = code_bytes(kBits, kCodeBlock);
};

// Of codes that may be -s - 1, which counts as -s.
template <class F>
HWY_INLINE V levels(VI code) {
  code = hn::Max(code, hn::Set(DI(), -levels_of(F::kBits)));
  if constexpr (F::kGrid != Grid::powers) {
    return hn::ConvertTo(D(), code);
  } else {
    const VI field = hn::Add(hn::Abs(code), hn::Set(DI(), 127 - F::kLevels));
    const V power = hn::BitCast(D(), hn::ShiftLeft<23>(field));
    const V with_sign = hn::CopySignToAbs(power, hn::BitCast(D(), code));
    return hn::IfThenZeroElse(hn::RebindMask(D(), hn::Eq(code, hn::Zero(DI()))), with_sign);
  }
}

// Calls work(Format<…>()) of the format.
template <class Work>
HWY_INLINE auto with_format(const CodeFormat& format, Work&& work) {
  if (format.grid == Grid::powers) return work(Format<4, Grid::powers>());
  if (format.grid == Grid::ternary) return work(Format<8, Grid::ternary>());
  if (format.bits == 2) return work(Format<2, Grid::uniform>());
  if (format.bits == 4) return work(Format<4, Grid::uniform>());
  return work(Format<8, Grid::uniform>());
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
