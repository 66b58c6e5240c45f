// Σ x_i² over 16 lanes of double, beside other work on the same floats. Included once for each
// instruction set.
#if defined(STARLING_SQUARE_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STARLING_SQUARE_SUMS_INL_H_
#undef STARLING_SQUARE_SUMS_INL_H_
#else
#define STARLING_SQUARE_SUMS_INL_H_
#endif

#include <hwy/highway.h>

#include <array>
#include <cstddef>

#include "compress/kernels/norm_sums.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The floats come 16 at a time, in parts of a vector each.
class SquareSums {
 public:
  SquareSums() {
    for (auto& sum : sums_) sum = hn::Zero(Wide());
  }
  // The part-th vector of 16 elements is at `at`.
  void add(std::size_t part, const float* at) {
    constexpr std::size_t kSplit = hn::MaxLanes(Narrow()) / kWidth;
    for (std::size_t k = 0; k < kSplit; ++k) {
      const auto narrow = hn::LoadU(hn::Rebind<float, Wide>(), at + k * kWidth);
      const auto wide = hn::PromoteTo(Wide(), narrow);
      auto& sum = sums_[part * kSplit + k];
      sum = hn::Add(sum, hn::Mul(wide, wide));
    }
  }
  // The sum, with the last `count` < 16 elements.
  double finish(const float* tail, std::size_t count) {
    std::array<double, kSumLanes> lanes;
    for (std::size_t part = 0; part < kParts; ++part) {
      hn::StoreU(sums_[part], Wide(), lanes.data() + part * kWidth);
    }
    for (std::size_t i = 0; i < count; ++i) {
      lanes[i] += static_cast<double>(tail[i]) * static_cast<double>(tail[i]);
    }
    return add_lanes(lanes);
  }

 private:
  using Narrow = hn::CappedTag<float, kSumLanes>;
  using Wide = hn::CappedTag<double, kSumLanes>;
  static constexpr std::size_t kWidth = hn::MaxLanes(Wide());
  static constexpr std::size_t kParts = kSumLanes / kWidth;

  hn::Vec<Wide> sums_[kParts];
};

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
