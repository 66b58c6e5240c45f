#include "compress/levels.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "protocol/check.h"

namespace starling::compress {

Levels::Levels(float eta, float omega) : curvature_(double{omega} / double{eta}) {
  INVARIANT(eta >= kEtaMin && eta <= std::numeric_limits<float>::max());
  INVARIANT(omega >= kOmegaMin && omega <= kOmegaMax);
  const double w = omega, unit = double{eta} / w;
  const double a = w + std::sqrt(1 + w * w), growth = a * a;
  inverse_ = 1 / (2 * std::log(a));
  constexpr float kMost = std::numeric_limits<float>::max();
  levels_.push_back(0);
  for (double power = growth; unit * (power - 1) < double{kMost}; power *= growth) {
    const auto level = static_cast<float>(unit * (power - 1));
    if (level < kMost) levels_.push_back(level);
  }
  levels_.push_back(kMost);
}

std::size_t Levels::below(float magnitude) const {
  const double guess = std::log1p(curvature_ * double{magnitude}) * inverse_;
  std::size_t m = std::min(top() - 1, static_cast<std::size_t>(guess));
  while (m > 0 && levels_[m] > magnitude) --m;
  while (m + 1 < top() && levels_[m + 1] <= magnitude) ++m;
  return m;
}

}  // namespace starling::compress
