#include "compress/kernels/bucket_norm.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "compress/kernels/norm_sums.h"

namespace starling::compress::ref {

double bucket_norm(std::span<const float> x, BucketNorm norm) {
  if (norm == BucketNorm::max) {
    std::uint32_t most = 0;  // by the bits, so that infinity and NaN are the largest
    for (const float value : x) most = std::max(most, std::bit_cast<std::uint32_t>(value) << 1);
    return static_cast<double>(std::bit_cast<float>(most >> 1));
  }
  std::array<double, kSumLanes> lanes{};
  for (std::size_t i = 0; i < x.size(); ++i) {
    lanes[i % kSumLanes] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return std::sqrt(add_lanes(lanes));
}

double add_and_norm(std::span<float> e, std::span<const float> g, BucketNorm norm) {
  for (std::size_t i = 0; i < e.size(); ++i) e[i] += g[i];
  return ref::bucket_norm(e, norm);
}

}  // namespace starling::compress::ref
