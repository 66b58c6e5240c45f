#include <algorithm>
#include <array>
#include <cmath>

#include "compress/kernels/norm_sums.h"
#include "compress/kernels/sign.h"

namespace starling::compress::ref {
namespace {

NormSum norm_sum(std::span<const float> x, Norm norm) {
  if (norm == Norm::l2) {
    std::array<double, kSumLanes> lanes{};
    for (std::size_t i = 0; i < x.size(); ++i) {
      lanes[i % kSumLanes] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    return add_lanes(lanes);
  }
  double sum = 0;
  for (std::size_t begin = 0; begin < x.size(); begin += kSumSegment) {
    std::array<float, kAbsLanes> lanes{};
    const std::size_t end = std::min(begin + kSumSegment, x.size());
    for (std::size_t i = begin; i < end; ++i) lanes[i % kAbsLanes] += std::fabs(x[i]);
    sum += static_cast<double>(add_lanes(lanes));
  }
  return std::isfinite(sum) ? sum : wide_abs_sum(x);
}

}  // namespace

NormSum pack_signs(std::span<const float> x, Norm norm, std::byte* bits) {
  std::fill(bits, bits + (x.size() + 7) / 8, std::byte{0});
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::signbit(x[i])) bits[i / 8] |= std::byte{1} << (i % 8);
  }
  return norm_sum(x, norm);
}

NormSum add_and_sum(std::span<float> e, std::span<const float> g, Norm norm) {
  for (std::size_t i = 0; i < e.size(); ++i) e[i] += g[i];
  return norm_sum(e, norm);
}

void pack_signs_and_subtract(std::span<float> e, float s, std::byte* bits) {
  ref::pack_signs(e, Norm::l1, bits);
  for (float& value : e) value -= std::copysign(s, value);
}

void add_signs(const std::byte* bits, float s, std::span<float> y) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool negative = (bits[i / 8] >> (i % 8) & std::byte{1}) != std::byte{0};
    y[i] += negative ? -s : s;
  }
}

}  // namespace starling::compress::ref
