// What an operator's randomness does on average, measured over many keys. The
// keys are hashed: those of neighboring numbers draw the same bits a place further on.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "compress/counter_random.h"
#include "properties.h"

namespace starling::test {

struct Estimate {
  double mean, standard_error;
};

inline Estimate estimate(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double mean = 0, spread = 0;
  for (const double value : values) mean += value / n;
  for (const double value : values) spread += (value - mean) * (value - mean) / (n - 1);
  return {mean, std::sqrt(spread / n)};
}

// ‖C(x) - x‖²/‖x‖² over `rounds` vectors x = make(round), each with a key of its own.
template <class Make>
Estimate relative_error(compress::Compressor& c, std::size_t rounds, Make&& make) {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::vector<float> x = make(round);
    const std::vector<float> y = decoded(c, encoded(c, x, compress::subkey(1, round)), x.size());
    ratios.push_back(distance2(x, y) / norm2(x));
  }
  return estimate(ratios);
}

// n‖mean of n draws of C(x) - x‖² over the mean of ‖C(x) - x‖²: 1 with a standard deviation of
// about √(2/d) where C is unbiased, of the order of n where it is not.
inline double bias_ratio(compress::Compressor& c, const std::vector<float>& x, std::size_t n) {
  std::vector<double> sum(x.size(), 0.0);
  double spread = 0;
  for (std::size_t draw = 0; draw < n; ++draw) {
    const std::vector<float> y = decoded(c, encoded(c, x, compress::subkey(2, draw)), x.size());
    for (std::size_t i = 0; i < x.size(); ++i) sum[i] += double{y[i]} - double{x[i]};
    spread += distance2(x, y);
  }
  double bias = 0;
  for (const double value : sum) bias += value * value;
  return bias / spread;
}

}  // namespace starling::test
