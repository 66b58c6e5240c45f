#include "compress/levels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "protocol/check.h"

namespace starling::compress {

Levels::Levels(float eta, float omega) : curvature_(double{omega} / double{eta}) {
  INVARIANT(eta >= kEtaMin && eta <= std::numeric_limits<float>::max());
  INVARIANT(omega >= kOmegaMin && omega <= kOmegaMax);
  const double w = omega, unit = double{eta} / w;
  const double a = w + std::sqrt(1 + w * w), growth = a * a;
  inverse_ = 0x1p-52 / (2 * std::log2(a));
  constexpr float kMost = std::numeric_limits<float>::max();
  levels_.push_back(0);
  for (double power = growth; unit * (power - 1) < double{kMost}; power *= growth) {
    const auto level = static_cast<float>(unit * (power - 1));
    if (level < kMost) levels_.push_back(level);
  }
  levels_.push_back(kMost);
}

std::size_t Levels::below(float magnitude) const {
  // The bits of a double above those of 1 are 2^52 times its logarithm, to 0.09.
  const auto bits = std::bit_cast<std::int64_t>(1 + curvature_ * double{magnitude});
  const double guess = static_cast<double>(bits - std::bit_cast<std::int64_t>(1.0)) * inverse_;
  std::size_t m = std::min(top() - 1, static_cast<std::size_t>(guess));
  while (m > 0 && levels_[m] > magnitude) --m;
  while (m + 1 < top() && levels_[m + 1] <= magnitude) ++m;
  return m;
}

}  // namespace starling::compress
