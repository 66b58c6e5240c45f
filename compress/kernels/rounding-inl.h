// From a float and random bits to a code, in every lane. Included once for each instruction set.
#if defined(STARLING_ROUNDING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STARLING_ROUNDING_INL_H_
#undef STARLING_ROUNDING_INL_H_
#else
#define STARLING_ROUNDING_INL_H_
#endif

#include <hwy/highway.h>

#include "compress/kernels/codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 1 in the fixed point of v, which the factor of the inverse includes.
template <class F>
constexpr float kOne = F::kGrid == Grid::powers ? 1.0f : static_cast<float>(1U << F::kPoint);

// |v| < 2^31, so what NearestInt does for larger ones is idle.
HWY_INLINE VI nearest(V v) {
#if HWY_TARGET <= HWY_AVX3
  return VI{_mm512_cvtps_epi32(v.raw)};
#elif HWY_TARGET == HWY_AVX2
  return VI{_mm256_cvtps_epi32(v.raw)};
#else
  return hn::NearestInt(v);
#endif
}

// The code of x · inverse, in the upper bits, of v as u behind the point.
template <class F>
HWY_INLINE VI uniform_codes(V x, V inverse, VU fraction) {
  V v = hn::Mul(x, inverse);
  if constexpr (F::kGrid == Grid::ternary) {
    const V one = hn::Set(D(), kOne<F>);
    v = hn::Max(hn::Min(v, one), hn::Neg(one));
  }
  return hn::Add(nearest(v), hn::BitCast(DI(), fraction));
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
  return hn::ShiftLeft<32 - F::kBits>(hn::Sub(hn::Xor(size, minus), minus));
}

template <class F>
HWY_INLINE VI codes_of(V x, V inverse, VU fraction) {
  if constexpr (F::kGrid == Grid::powers) return power_codes<F>(x, inverse, fraction);
  if constexpr (F::kGrid != Grid::powers) return uniform_codes<F>(x, inverse, fraction);
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
