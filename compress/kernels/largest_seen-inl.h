// max |x_i|, beside other work on the same floats. Included once for each instruction set.
#if defined(STARLING_LARGEST_SEEN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STARLING_LARGEST_SEEN_INL_H_
#undef STARLING_LARGEST_SEEN_INL_H_
#else
#define STARLING_LARGEST_SEEN_INL_H_
#endif

#include <hwy/highway.h>

#include <bit>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// By the bits, so that infinity and NaN are the largest.
class LargestSeen {
 public:
  LargestSeen() : most_(hn::Zero(Bits())) {}
  void add(hn::Vec<hn::CappedTag<float, 16>> v) {
    most_ = hn::Max(most_, hn::And(hn::BitCast(Bits(), v), hn::Set(Bits(), 0x7fffffff)));
  }
  float finish() const { return std::bit_cast<float>(hn::GetLane(hn::MaxOfLanes(Bits(), most_))); }

 private:
  using Bits = hn::CappedTag<std::int32_t, 16>;

  hn::Vec<Bits> most_;
};

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
