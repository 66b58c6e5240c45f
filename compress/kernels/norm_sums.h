// How a sum over a vector is defined, for the kernels that make one beside other work.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace starling::compress {

constexpr std::size_t kSumLanes = 16;       // of squares, as double
constexpr std::size_t kAbsLanes = 32;       // of magnitudes: two chains of the widest vectors
constexpr std::size_t kSumSegment = 16384;  // floats after which lanes of float are flushed

// Lane l and l + n/2, then l and l + n/4 …: the fixed tree.
template <class T, std::size_t kLanes>
T add_lanes(std::array<T, kLanes>& lanes) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

// Σ|x_i| where the float lanes overflowed: finite unless x is not.
inline double wide_abs_sum(std::span<const float> x) {
  double sum = 0;
  for (const float value : x) sum += std::fabs(static_cast<double>(value));
  return sum;
}

}  // namespace starling::compress
