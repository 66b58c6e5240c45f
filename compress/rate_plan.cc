#include "compress/rate_plan.h"

#include <algorithm>
#include <cmath>

namespace starling::compress {
namespace {

double mean_share(std::span<const double> learning_rates, double unit, double least) {
  double sum = 0;
  for (const double rate : learning_rates) sum += std::max(least, std::sqrt(rate) / unit);
  return sum / static_cast<double>(learning_rates.size());
}

}  // namespace

RatePlan::RatePlan(std::span<const double> learning_rates, double least) {
  const auto largest = std::ranges::max_element(learning_rates);
  if (largest == learning_rates.end() || !(*largest > 0) || !(least < 1)) return;
  // No round has more than 1 at the largest rate's root; the mean falls as the unit grows.
  double low = 0, high = std::sqrt(*largest);
  for (int halvings = 0; halvings < 60; ++halvings) {
    const double middle = (low + high) / 2;
    (mean_share(learning_rates, middle, least) > 1 ? low : high) = middle;
  }
  unit_ = high;
  least_ = least;
  free_.assign(learning_rates.size() + 1, 0);
  for (std::size_t i = learning_rates.size(); i-- > 0;) {
    const double free = share(learning_rates[i]) - least;
    free_[i] = free_[i + 1] + free / static_cast<double>(learning_rates.size());
  }
}

double RatePlan::free_behind(double part) const {
  if (free_.empty()) return std::max(0.0, 1 - part);
  const auto all = static_cast<double>(free_.size() - 1);
  return free_[static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * all)];
}

double RatePlan::share(double learning_rate) const {
  return unit_ > 0 ? std::max(least_, std::sqrt(learning_rate) / unit_) : 1;
}

}  // namespace starling::compress
