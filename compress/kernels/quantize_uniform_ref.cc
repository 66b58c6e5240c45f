#include <algorithm>
#include <cmath>
#include <limits>

#include "compress/counter_random.h"
#include "compress/integer_code.h"
#include "compress/kernels/quantize_uniform.h"

namespace starling::compress::ref {

void quantize_uniform(std::span<const float> x, std::size_t first, const UniformStep& step,
                      std::int32_t* codes) {
  constexpr double kLimit = kCodeMax + 1, kMost = std::numeric_limits<float>::max();
  const double inverse = 1 / step.step;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = step.stochastic ? (random_half(step.key, first + i) + 0.5) * 0x1p-16 : 0.5;
    const double code = std::clamp(std::floor(double{x[i]} * inverse + u), -kLimit, kLimit);
    const double product = code * step.step;
    codes[i] = kRawCode;
    if (!(std::fabs(code) < kLimit && std::fabs(product) <= kMost)) continue;
    const double value = static_cast<float>(product);
    if (std::fabs(value - double{x[i]}) < step.step) codes[i] = static_cast<std::int32_t>(code);
  }
}

}  // namespace starling::compress::ref
