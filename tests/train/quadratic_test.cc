#include "train/quadratic.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace starling;
using namespace starling::train;

namespace {

DataOptions options() {
  DataOptions options;
  options.kind = DataKind::quadratic;
  options.dimension = 12;
  options.condition = 50;
  options.heterogeneity = 2;
  return options;
}

std::vector<float> floats(std::span<const double> x) { return {x.begin(), x.end()}; }

}  // namespace

TEST_CASE("quadratic: the mean gradient vanishes at the optimum, with and without l2") {
  for (const double l2 : {0.0, 0.7}) {
    const Quadratic quadratic(options(), l2, 3, 5);
    std::vector<double> sum(12), part(12);
    for (std::size_t node = 0; node < 5; ++node) {
      quadratic.gradient(node, floats(quadratic.optimum()), part);
      for (std::size_t k = 0; k < 12; ++k) sum[k] += part[k];
    }
    // The optimum is rounded to float on the way: 2^-24 · 5 nodes · condition · |x|.
    for (const double s : sum) CHECK(std::abs(s) < 2e-4);
    CHECK(quadratic.relative_error(floats(quadratic.optimum())) < 1e-7);
  }
}

TEST_CASE("quadratic: one node alone has its optimum where its function is 0") {
  const Quadratic quadratic(options(), 0, 3, 1);
  CHECK(quadratic.value(0, floats(quadratic.optimum())) == doctest::Approx(0).epsilon(1e-9));
}

TEST_CASE("quadratic: the gradient agrees with finite differences") {
  const Quadratic quadratic(options(), 0.5, 3, 2);
  std::vector<float> x(12, 0.25F);
  std::vector<double> slope(12), unused(12);
  quadratic.gradient(1, x, slope);
  for (std::size_t k = 0; k < 12; ++k) {
    std::vector<float> up = x, down = x;
    up[k] += 0.125F;
    down[k] -= 0.125F;
    const double difference =
        (quadratic.gradient(1, up, unused) - quadratic.gradient(1, down, unused)) / 0.25;
    CHECK(difference == doctest::Approx(slope[k]).epsilon(1e-9));
  }
}

TEST_CASE("quadratic: the inverse curvature undoes the gradient") {
  const Quadratic quadratic(options(), 0.5, 3, 2);
  const std::vector<double> inverse = quadratic.inverse_curvature(1);
  // ∇f is affine, so the inverse maps ∇f(x) - ∇f(0) to x.
  std::vector<float> x(12);
  for (std::size_t k = 0; k < 12; ++k) x[k] = static_cast<float>(k) - 4;
  std::vector<double> there(12), here(12);
  quadratic.gradient(1, x, there);
  quadratic.gradient(1, std::vector<float>(12, 0.0f), here);
  for (std::size_t i = 0; i < 12; ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < 12; ++k) sum += inverse[i * 12 + k] * (there[k] - here[k]);
    CHECK(sum == doctest::Approx(x[i]).epsilon(1e-10));
  }
}

TEST_CASE("quadratic: curvature stays between 1 and the condition") {
  DataOptions wide = options();
  wide.heterogeneity = 0;
  const Quadratic quadratic(wide, 0, 3, 1);
  for (std::size_t k = 0; k < 12; ++k) {
    std::vector<float> x = floats(quadratic.optimum());
    x[k] += 1;
    const double twice = 2 * quadratic.value(0, x);
    CHECK(twice >= 1 - 1e-5);
    CHECK(twice <= 50 + 1e-3);
  }
}

TEST_CASE("quadratic: without heterogeneity all nodes agree on the optimum") {
  DataOptions same = options();
  same.heterogeneity = 0;
  const Quadratic quadratic(same, 0, 3, 4);
  for (std::size_t node = 0; node < 4; ++node) {
    CHECK(quadratic.value(node, floats(quadratic.optimum())) < 1e-10);
  }
}

TEST_CASE("quadratic: x is the squarest matrix, or a vector for a prime") {
  const auto shape = [](std::size_t dimension) {
    DataOptions of = options();
    of.dimension = dimension;
    return Quadratic(of, 0, 1, 1).layout().describe();
  };
  CHECK(shape(20) == "x:4x5");
  CHECK(shape(36) == "x:6x6");
  CHECK(shape(13) == "x:13");
  CHECK(shape(1) == "x:1");
}
