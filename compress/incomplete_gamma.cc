#include "compress/incomplete_gamma.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace starling::compress {
namespace {

constexpr int kTermsMax = 10000;
constexpr double kPrecision = 1e-15;

// x^a e^-x / Γ(a)
double weight(double a, double x) { return std::exp(a * std::log(x) - x - std::lgamma(a)); }

double series(double a, double x) {
  double term = 1 / a, sum = term;
  for (int n = 1; n < kTermsMax && term > kPrecision * sum; ++n) {
    term *= x / (a + n);
    sum += term;
  }
  return sum * weight(a, x);
}

// 1 - P(a, x)
double continued_fraction(double a, double x) {
  constexpr double kTiny = std::numeric_limits<double>::min();
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, h = d;
  for (int n = 1; n < kTermsMax; ++n) {
    const double an = -n * (n - a);
    b += 2;
    d = an * d + b;
    d = 1 / (std::fabs(d) < kTiny ? kTiny : d);
    c = b + an / c;
    if (std::fabs(c) < kTiny) c = kTiny;
    h *= d * c;
    if (std::fabs(d * c - 1) < kPrecision) break;
  }
  return h * weight(a, x);
}

}  // namespace

double gamma_p(double a, double x) {
  if (!(x > 0)) return 0;
  return x < a + 1 ? series(a, x) : 1 - continued_fraction(a, x);
}

double inverse_gamma_p(double a, double p) {
  if (!(p > 0)) return 0;
  double low = 0, high = a + 1;
  while (gamma_p(a, high) < p) high *= 2;
  // Near zero P(a, x) is x^a / Γ(a + 1).
  double x = std::clamp(std::exp((std::log(p) + std::lgamma(a + 1)) / a), 1e-300, high);
  for (int round = 0; round < 200; ++round) {
    const double error = gamma_p(a, x) - p;
    (error > 0 ? high : low) = x;
    double next = x - error * x / weight(a, x);
    if (!(next > low && next < high)) next = (low + high) / 2;
    const double step = std::fabs(next - x);
    x = next;
    if (step <= 1e-14 * x) break;
  }
  return x;
}

}  // namespace starling::compress
