#include "compress/rate_plan.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace starling::compress;

namespace {

constexpr std::size_t kRounds = 400;

std::vector<double> cosine() {
  std::vector<double> rates;
  for (std::size_t r = 0; r < kRounds; ++r) {
    rates.push_back(0.05 * (1 + std::cos(M_PI * static_cast<double>(r) / kRounds)) / 2);
  }
  return rates;
}

}  // namespace

TEST_CASE("rate plan: a falling learning rate gives early rounds more, and 1 in the mean") {
  const std::vector<double> rates = cosine();
  const RatePlan plan(rates, 0.25);
  double sum = 0;
  for (const double rate : rates) sum += plan.share(rate);
  CHECK(sum / kRounds == doctest::Approx(1).epsilon(1e-9));
  CHECK(plan.share(rates[0]) / plan.share(rates[100]) ==
        doctest::Approx(std::sqrt(rates[0] / rates[100])));
  CHECK(plan.share(rates.back()) == 0.25);
}

TEST_CASE("rate plan: a learning rate that stays gives every round the same") {
  const std::vector<double> rates(kRounds, 0.1);
  CHECK(RatePlan(rates, 0.1).share(0.1) == doctest::Approx(1));
  CHECK(RatePlan().share(0.1) == 1);
  CHECK(RatePlan({}, 0.1).share(0.1) == 1);
  CHECK(RatePlan(std::vector<double>(kRounds, 0), 0.1).share(0) == 1);
}

TEST_CASE("rate plan: where the lowest level takes the whole budget there is nothing to plan") {
  for (const double least : {1.0, 1.5}) {
    const RatePlan plan(cosine(), least);
    CHECK(plan.share(0.05) == 1);
    CHECK(plan.share(0) == 1);
  }
}

TEST_CASE("rate plan: what can still be saved is what the rounds to come have above the least") {
  const std::vector<double> rates = cosine();
  const RatePlan plan(rates, 0.25);
  CHECK(plan.free_behind(0) == doctest::Approx(0.75));
  double left = 0;
  for (std::size_t r = kRounds / 2; r < kRounds; ++r) left += plan.share(rates[r]) - 0.25;
  CHECK(plan.free_behind(0.5) == doctest::Approx(left / kRounds));
  CHECK(plan.free_behind(1) == 0);
  CHECK(plan.free_behind(2) == 0);
  CHECK(RatePlan().free_behind(0.25) == 0.75);
}
