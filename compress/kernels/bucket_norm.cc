// Compiled once for each instruction set; each function computes what its twin in
// bucket_norm_ref.cc defines, bit for bit.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/bucket_norm.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "compress/kernels/bucket_norm.h"
#include "compress/kernels/largest_seen-inl.h"
#include "compress/kernels/norm_sums.h"
#include "compress/kernels/square_sums-inl.h"
#include "protocol/check.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, kSumLanes>;
using V = hn::Vec<D>;
constexpr std::size_t kWidth = hn::MaxLanes(D());
constexpr std::size_t kParts = kSumLanes / kWidth;

class MaxLanesSeen {
 public:
  // The part-th vector of 16 elements, and where it is in memory.
  void add(std::size_t /*part*/, V v, const float* /*at*/) { seen_.add(v); }
  double finish(const float* tail, std::size_t count) {
    const float lanes = seen_.finish();
    if (count == 0) return static_cast<double>(lanes);
    const auto rest = static_cast<float>(ref::bucket_norm({tail, count}, BucketNorm::max));
    const auto bits = [](float size) { return std::bit_cast<std::int32_t>(size); };
    return static_cast<double>(bits(lanes) < bits(rest) ? rest : lanes);
  }

 private:
  LargestSeen seen_;
};

class LengthSeen {
 public:
  void add(std::size_t part, V /*v*/, const float* at) { sums_.add(part, at); }
  double finish(const float* tail, std::size_t count) {
    return std::sqrt(sums_.finish(tail, count));
  }

 private:
  SquareSums sums_;
};

template <class Lanes>
double NormAs(const float* x, std::size_t size) {
  Lanes lanes;
  std::size_t i = 0;
  for (; i + kSumLanes <= size; i += kSumLanes) {
    for (std::size_t part = 0; part < kParts; ++part) {
      const float* at = x + i + part * kWidth;
      lanes.add(part, hn::LoadU(D(), at), at);
    }
  }
  return lanes.finish(x + i, size - i);
}

template <class Lanes>
double AddAndNormAs(float* HWY_RESTRICT e, const float* HWY_RESTRICT g, std::size_t size) {
  Lanes lanes;
  std::size_t i = 0;
  for (; i + kSumLanes <= size; i += kSumLanes) {
    for (std::size_t part = 0; part < kParts; ++part) {
      float* at = e + i + part * kWidth;
      const V v = hn::Add(hn::LoadU(D(), at), hn::LoadU(D(), g + i + part * kWidth));
      hn::StoreU(v, D(), at);
      lanes.add(part, v, at);
    }
  }
  for (std::size_t k = i; k < size; ++k) e[k] += g[k];
  return lanes.finish(e + i, size - i);
}

double Norm(const float* x, std::size_t size, BucketNorm norm) {
  return norm == BucketNorm::max ? NormAs<MaxLanesSeen>(x, size) : NormAs<LengthSeen>(x, size);
}

double AddAndNorm(float* e, const float* g, std::size_t size, BucketNorm norm) {
  return norm == BucketNorm::max ? AddAndNormAs<MaxLanesSeen>(e, g, size)
                                 : AddAndNormAs<LengthSeen>(e, g, size);
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(Norm);
HWY_EXPORT(AddAndNorm);

double bucket_norm(std::span<const float> x, BucketNorm norm) {
  return HWY_DYNAMIC_DISPATCH(Norm)(x.data(), x.size(), norm);
}

double add_and_norm(std::span<float> e, std::span<const float> g, BucketNorm norm) {
  INVARIANT(e.size() == g.size());
  return HWY_DYNAMIC_DISPATCH(AddAndNorm)(e.data(), g.data(), e.size(), norm);
}

}  // namespace starling::compress
#endif  // HWY_ONCE
