#include "gossip/mesh/adam_moments.h"

#include <algorithm>
#include <cmath>

namespace starling::gossip {
namespace {

// What v is short of by having begun at 0.
double bias(Round updates) {
  return 1 -
         std::pow(double{AdamMoments::kBeta2}, static_cast<double>(std::max<Round>(updates, 1)));
}

double mean_of(std::span<const float> x) {
  double sum = 0;
  for (const float value : x) sum += value;
  return x.empty() ? 0 : sum / static_cast<double>(x.size());
}

}  // namespace

bool AdamMoments::is_known(std::span<const float> v) {
  return std::ranges::any_of(v, [](float value) { return value > 0; });
}

double AdamMoments::filled(Round gradients) {
  return 1 - std::pow(double{kBeta1}, static_cast<double>(gradients));
}

void AdamMoments::take(std::span<float> m, std::span<float> v, std::span<const float> gradient,
                       bool learns) {
  for (std::size_t i = 0; i < m.size(); ++i) {
    const float g = gradient[i];
    m[i] = kBeta1 * m[i] + (1 - kBeta1) * g;
    if (learns) v[i] = kBeta2 * v[i] + (1 - kBeta2) * g * g;
  }
}

void AdamMoments::fill_scales(std::span<const float> v, Round updates, std::span<float> scales) {
  const auto correction = static_cast<float>(1 / bias(updates));
  const auto floor = static_cast<float>(0.1 * mean_of(v)) * correction;
  for (std::size_t i = 0; i < v.size(); ++i) {
    scales[i] = 1 / (std::sqrt(std::max(correction * v[i], floor)) + kEpsilon);
  }
}

void AdamMoments::learn_from_momentum(std::span<float> v, std::span<const float> m, Round updates) {
  if (is_known(v)) return;
  double sum = 0;
  for (const float value : m) sum += double{value} * value;
  if (m.empty() || sum == 0) return;
  const double variance = 10 * bias(updates) * sum / static_cast<double>(m.size());
  std::ranges::fill(v, static_cast<float>(variance));
}

}  // namespace starling::gossip
