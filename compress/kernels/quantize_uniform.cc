// Compiled once for each instruction set; the function computes what its twin in
// quantize_uniform_ref.cc defines, bit for bit.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/quantize_uniform.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <cstdint>
#include <limits>

#include "compress/integer_code.h"
#include "compress/kernels/counter_random-inl.h"
#include "compress/kernels/quantize_uniform.h"
#include "protocol/check.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Wide = hn::CappedTag<double, 16>;
using Narrow = hn::Rebind<float, Wide>;
using Codes = hn::Rebind<std::int32_t, Wide>;
using Bits = hn::Rebind<std::uint32_t, Wide>;
using V = hn::Vec<Wide>;

class Quantizer {
 public:
  explicit Quantizer(double step)
      : step_(hn::Set(Wide(), step)), inverse_(hn::Set(Wide(), 1 / step)) {}

  HWY_INLINE void operator()(const float* x, V u, std::int32_t* codes) const {
    const Wide d;
    const V limit = hn::Set(d, kCodeMax + 1), most = hn::Set(d, std::numeric_limits<float>::max());
    const V wide = hn::PromoteTo(d, hn::LoadU(Narrow(), x));
    const V floor = hn::Floor(hn::Add(hn::Mul(wide, inverse_), u));
    const V code = hn::Min(hn::Max(floor, hn::Neg(limit)), limit);
    const V product = hn::Mul(code, step_);
    const V value = hn::PromoteTo(d, hn::DemoteTo(Narrow(), product));  // counts only in range
    const auto in_range = hn::And(hn::Lt(hn::Abs(code), limit), hn::Le(hn::Abs(product), most));
    const auto near = hn::Lt(hn::Abs(hn::Sub(value, wide)), step_);
    const V sent = hn::IfThenElse(hn::And(in_range, near), code, hn::Set(d, kRawCode));
    hn::StoreU(hn::DemoteTo(Codes(), sent), Codes(), codes);
  }

 private:
  V step_, inverse_;
};

HWY_INLINE V uniform(hn::Vec<Bits> halves) {
  const V r = hn::PromoteTo(Wide(), hn::BitCast(Codes(), halves));
  return hn::Mul(hn::Add(r, hn::Set(Wide(), 0.5)), hn::Set(Wide(), 0x1p-16));
}

void QuantizeUniform(const float* HWY_RESTRICT x, std::size_t size, std::size_t first,
                     const UniformStep& step, std::int32_t* HWY_RESTRICT codes) {
  constexpr std::size_t kWidth = hn::MaxLanes(Wide());
  const Quantizer quantize(step.step);
  const V half = hn::Set(Wide(), 0.5);
  std::size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    for (std::size_t l = 0; l < 16; l += kWidth) {
      V low = half, high = half;
      if (step.stochastic) {
        const auto index = static_cast<std::uint32_t>((first + i) / 2 + l);
        const auto bits = random_lanes(Bits(), step.key, index);
        low = uniform(hn::And(bits, hn::Set(Bits(), 0xffff)));
        high = uniform(hn::ShiftRight<16>(bits));
      }
      quantize(x + i + l, low, codes + i + l);
      quantize(x + i + l + 16, high, codes + i + l + 16);
    }
  }
  if (i < size) ref::quantize_uniform({x + i, size - i}, first + i, step, codes + i);
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(QuantizeUniform);

void quantize_uniform(std::span<const float> x, std::size_t first, const UniformStep& step,
                      std::int32_t* codes) {
  INVARIANT(first % 32 == 0);
  HWY_DYNAMIC_DISPATCH(QuantizeUniform)(x.data(), x.size(), first, step, codes);
}

}  // namespace starling::compress
#endif  // HWY_ONCE
