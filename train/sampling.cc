#include "train/sampling.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "protocol/check.h"

namespace starling::train {
namespace {

// Box-Muller on two uniforms of [0, 1).
double gaussian(double u, double v) {
  return std::sqrt(-2 * std::log1p(-u)) * std::cos(2 * std::numbers::pi * v);
}

}  // namespace

void shuffle(const Random& random, std::span<std::uint32_t> items) {
  for (std::size_t i = items.size(); i-- > 1;) std::swap(items[i], items[random.below(i, i + 1)]);
}

double log_gamma_variate(const Random& random, double shape) {
  INVARIANT(shape > 0);
  if (shape < 1) {
    // Gamma(a) = Gamma(a + 1) · U^(1/a). The boosted variate starts at uniform(1), so U is free.
    const double boost = std::log1p(-random.uniform(0)) / shape;
    return log_gamma_variate(random, shape + 1) + boost;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (std::uint64_t at = 1;; at += 3) {
    const double z = gaussian(random.uniform(at), random.uniform(at + 1));
    const double root = 1 + c * z;
    if (root <= 0) continue;
    const double log_v = 3 * std::log(root);
    const double v = root * root * root;
    const double log_u = std::log1p(-random.uniform(at + 2));
    if (log_u < 0.5 * z * z + d - d * v + d * log_v) return std::log(d) + log_v;
  }
}

}  // namespace starling::train
