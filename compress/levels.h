// The levels of a companded quantiser, the same bits on every machine.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace starling::compress {

// y_m = (η/ω)(a^{2m} - 1) with a = ω + √(1 + ω²), m = 0, 1 …, rounded to float, and the largest
// float as the last one. The powers are repeated products in double: no libm decides a bit that
// both ends must share.
class Levels {
 public:
  static constexpr float kOmegaMin = 0x1p-6f, kOmegaMax = 4, kEtaMin = 0x1p-100f;

  // kEtaMin <= eta, finite; kOmegaMin <= omega <= kOmegaMax. At most 5000 levels.
  Levels(float eta, float omega);

  float operator[](std::size_t m) const { return levels_[m]; }
  std::size_t top() const { return levels_.size() - 1; }

  // The largest m < top() with y_m <= magnitude, for a finite magnitude >= 0.
  std::size_t below(float magnitude) const;

 private:
  double curvature_, inverse_;  // ω/η and 2^-52/log2(a²), to guess m
  std::vector<float> levels_;
};

}  // namespace starling::compress
