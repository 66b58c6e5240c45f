#include "compress/tail_fit.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "compress/incomplete_gamma.h"
#include "compress/kernels/select.h"

namespace starling::compress {
namespace {

constexpr double kFirstRatio = 0.25;

struct Moments {
  double mean, variance;
};

// Of z - shift.
Moments moments(std::span<const float> z, double shift) {
  std::array<double, 8> sums{}, squares{};
  for (std::size_t i = 0; i + 8 <= z.size(); i += 8) {
    for (std::size_t l = 0; l < 8; ++l) {
      const double value = static_cast<double>(z[i + l]) - shift;
      sums[l] += value;
      squares[l] += value * value;
    }
  }
  for (std::size_t i = z.size() - z.size() % 8; i < z.size(); ++i) {
    const double value = static_cast<double>(z[i]) - shift;
    sums[0] += value;
    squares[0] += value * value;
  }
  double sum = 0, square = 0;
  for (std::size_t l = 0; l < 8; ++l) sum += sums[l], square += squares[l];
  const auto n = static_cast<double>(z.size());
  return {sum / n, std::max(0.0, square / n - sum / n * (sum / n))};
}

double exponential(double mean, double ratio) { return mean * std::log(1 / ratio); }

double pareto(const Moments& m, double ratio) {
  // Below this the variance is what rounding leaves of equal values.
  if (m.variance <= 1e-12 * m.mean * m.mean) return m.mean;
  const double squared = m.mean * m.mean / m.variance;
  const double shape = (1 - squared) / 2, scale = m.mean * (squared + 1) / 2;
  if (std::fabs(shape) < 1e-6) return exponential(scale, ratio);
  return scale / shape * (std::pow(ratio, -shape) - 1);
}

double gamma(std::span<const float> z, double mean, double ratio) {
  const double tiny = 1e-12 * mean;  // in place of zeros
  double logs = 0;
  for (const float value : z) logs += std::log(static_cast<double>(value) + tiny);
  const double s = std::log(mean) - logs / static_cast<double>(z.size());
  if (!(s > 0)) return exponential(mean, ratio);
  const double shape = (3 - s + std::sqrt((s - 3) * (s - 3) + 24 * s)) / (12 * s);
  return mean / shape * inverse_gamma_p(shape, 1 - ratio);
}

// Compared as integers, which floats that are not negative are ordered as, and which vectorise.
double least(std::span<const float> z) {
  std::uint32_t bits = magnitude(z[0]);
  for (const float value : z) bits = std::min(bits, magnitude(value));
  return static_cast<double>(std::bit_cast<float>(bits));
}

double fit_stage(std::span<const float> z, TailModel model, double shift, double ratio) {
  const Moments m = moments(z, shift);
  if (!(m.mean > 0)) return 0;
  switch (model) {
    case TailModel::exponential: return exponential(m.mean, ratio);
    case TailModel::pareto: return pareto(m, ratio);
    case TailModel::gamma_pareto: return gamma(z, m.mean, ratio);
  }
  return 0;
}

}  // namespace

double tail_threshold(std::span<float> z, const TailFit& fit) {
  if (z.empty()) return 0;
  if (fit.stages <= 1 || fit.ratio >= kFirstRatio) return fit_stage(z, fit.model, 0, fit.ratio);
  const double ratio = std::pow(fit.ratio / kFirstRatio, 1.0 / (fit.stages - 1));
  double threshold = fit_stage(z, fit.model, 0, kFirstRatio);
  const TailModel model =
      fit.model == TailModel::exponential ? TailModel::exponential : TailModel::pareto;
  for (unsigned stage = 2; stage <= fit.stages; ++stage) {
    std::size_t n = 0;
    for (const float value : z) {
      z[n] = value;
      n += static_cast<double>(value) >= threshold;
    }
    if (n == 0) break;
    z = z.first(n);
    const double shift = least(z);
    threshold = shift + fit_stage(z, model, shift, ratio);
  }
  return threshold;
}

}  // namespace starling::compress
