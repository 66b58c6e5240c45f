#include "compress/norm_sketch.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "protocol/random.h"

using namespace starling;
using namespace starling::compress;

namespace {

std::vector<float> normal(std::uint64_t seed, std::size_t size, float scale = 1) {
  std::vector<float> x(size);
  Random(seed, Stream::test).fill_normal(x);
  for (float& value : x) value *= scale;
  return x;
}

std::uint64_t key(std::uint64_t i) { return Random(i, Stream::drift).bits(0); }

double exact(const std::vector<float>& x, const std::vector<float>& y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(static_cast<double>(x[i]) - y[i], 2);
  return std::sqrt(sum);
}

}  // namespace

// Over 400 keys: unbiased in the square, one standard deviation within 5 %, none beyond 20 %.
TEST_CASE("norm sketch: estimates how far two vectors are from each other") {
  const std::size_t sizes[] = {1000, 30'000};
  for (const std::size_t size : sizes) {
    for (const float drift : {2.0f, 0.01f}) {
      const auto x = normal(1, size), step = normal(2, size, drift);
      auto y = x;
      for (std::size_t i = 0; i < size; ++i) y[i] += step[i];
      const double truth = exact(x, y);
      double squares = 0, variance = 0, worst = 0;
      constexpr int kKeys = 400;
      for (int k = 0; k < kKeys; ++k) {
        const auto of = key(static_cast<std::uint64_t>(k));
        const double ratio = distance(sketch_norm(x, of), sketch_norm(y, of)) / truth;
        squares += ratio * ratio / kKeys;
        variance += (ratio - 1) * (ratio - 1) / kKeys;
        worst = std::max(worst, std::abs(ratio - 1));
      }
      CAPTURE(size);
      CAPTURE(drift);
      CHECK(std::abs(squares - 1) < 4 * std::sqrt(2.0 / 256 / kKeys));
      CHECK(std::sqrt(variance) < 0.05);
      CHECK(worst < 0.2);
    }
  }
}

// Two coordinates that fall into one cell with opposite signs hide each other; one does not.
TEST_CASE("norm sketch: a single coordinate is told exactly, wherever it is") {
  for (std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{999}}) {
    std::vector<float> x(1000, 0.0f);
    x[at] = -3.5f;
    for (std::uint64_t k = 0; k < 20; ++k) CHECK(norm(sketch_norm(x, key(k))) == 3.5);
  }
}

TEST_CASE("norm sketch: equal vectors are at no distance, and an empty one has no norm") {
  const auto x = normal(3, 500);
  CHECK(distance(sketch_norm(x, key(0)), sketch_norm(x, key(0))) == 0);
  CHECK(norm(sketch_norm({}, key(0))) == 0);
}

TEST_CASE("norm sketch: huge values saturate and stay finite") {
  const std::vector<float> x(4000, std::numeric_limits<float>::max());
  for (const float cell : sketch_norm(x, key(1))) CHECK(std::isfinite(cell));
}
