#include "protocol/random.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <set>
#include <vector>

using namespace starling;

// Both ends of an edge draw these without sending them: the numbers are part of the protocol.
TEST_CASE("the first numbers of a key are pinned") {
  const Random random(7, Stream::test, {1, 2, 3});
  CHECK(random.bits(0) == 0x7e114de1f9aebb3dull);
  CHECK(random.bits(1) == 0x25c9465a66b9cfa5ull);
  CHECK(random.normal(0) == 0x1.d01p-3f);
}

TEST_CASE("another seed, stream or part gives other numbers") {
  std::set<std::uint64_t> seen;
  seen.insert(Random(1, Stream::test).bits(0));
  seen.insert(Random(2, Stream::test).bits(0));
  seen.insert(Random(1, Stream::topology).bits(0));
  seen.insert(Random(1, Stream::test, {0}).bits(0));
  seen.insert(Random(1, Stream::test, {0, 0}).bits(0));
  seen.insert(Random(1, Stream::test, {1, 0}).bits(0));
  seen.insert(Random(1, Stream::test, {0, 1}).bits(0));
  CHECK(seen.size() == 7);
}

TEST_CASE("uniform numbers are at least 0, below 1, and spread evenly") {
  const Random random(3, Stream::test);
  std::array<int, 10> tenths{};
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform(i);
    REQUIRE(u >= 0.0);
    REQUIRE(u < 1.0);
    ++tenths[static_cast<std::size_t>(u * 10)];
  }
  // Five standard deviations of a binomial count.
  for (const int n : tenths) CHECK(std::abs(n - kDraws / 10) < 5 * std::sqrt(kDraws * 0.09));
}

TEST_CASE("below stays below, and reaches every value") {
  const Random random(4, Stream::test);
  for (const std::uint64_t bound : {1ull, 2ull, 7ull, 1000ull, ~0ull}) {
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t x = random.below(i, bound);
      REQUIRE(x < bound);
      seen.insert(x);
    }
    if (bound <= 7) CHECK(seen.size() == bound);
  }
}

TEST_CASE("normal numbers have mean 0, variance 1, and end at 6") {
  const Random random(5, Stream::test);
  constexpr int kDraws = 400'000;
  double sum = 0, squares = 0, largest = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal(i);
    sum += x;
    squares += x * x;
    largest = std::max(largest, std::abs(x));
  }
  CHECK(std::abs(sum / kDraws) < 5 / std::sqrt(kDraws));
  CHECK(std::abs(squares / kDraws - 1) < 5 * std::sqrt(2.0 / kDraws));
  CHECK(largest <= 6);
  CHECK(largest > 3.5);
}

TEST_CASE("fill_normal is normal(i) for every i") {
  const Random random(6, Stream::test);
  std::vector<float> filled(1001);
  random.fill_normal(filled);
  for (std::size_t i = 0; i < filled.size(); ++i) CHECK(filled[i] == random.normal(i));
}
