#include "compress/count_sketch.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "compress/header.h"
#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

MakeOperator count_sketch(const CountSketchOptions& options) {
  return [=](std::size_t) { return std::make_unique<CountSketch>(options); };
}

}  // namespace

TEST_CASE("count-sketch: the properties of every operator") {
  const std::vector<std::size_t> some = {0, 1, 15, 16, 17, 513};
  for (const std::size_t rows : {1, 7}) {
    check_operator(count_sketch({.rows = rows, .width = 64, .seed = 5}), {.lengths = some});
    check_operator(count_sketch({.rows = rows, .width = 1024, .keep = 20}), {.lengths = some});
  }
  check_operator(count_sketch({.rows = 3, .width = 16}), {.lengths = some});
}

TEST_CASE("count-sketch: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 13, 512, 1000}) {
    check_hostile(count_sketch({.rows = 3, .width = 64, .seed = 5}), d);
    check_hostile(count_sketch({.rows = 5, .width = 128, .keep = 7}), d);
  }
}

TEST_CASE("count-sketch: bytes are the table, whatever the vector") {
  CountSketch c({.rows = 5, .width = 256});
  for (const std::size_t d : {0, 1, 100'000}) {
    CHECK(c.encoded_bytes_max(d) == 32 + 4 * 5 * 256);
    CHECK(encoded(c, normals(d, 1), 0).size() == c.encoded_bytes_max(d));
  }
}

TEST_CASE("count-sketch: the merged messages of two vectors are the message of their sum") {
  constexpr std::size_t kSize = 3001;
  CountSketch c({.rows = 3, .width = 256, .seed = 9});
  const std::vector<float> a = normals(kSize, 1), b = heavy(kSize, 2);
  std::vector<float> sum(kSize);
  for (std::size_t i = 0; i < kSize; ++i) sum[i] = a[i] + b[i];
  std::vector<std::byte> into = encoded(c, a, 1);
  REQUIRE(c.merge(encoded(c, b, 2), kSize, into).ok());
  const std::vector<float> merged = decoded(c, into, kSize);
  const std::vector<float> direct = decoded(c, encoded(c, sum, 3), kSize);
  CHECK(distance2(merged, direct) < 1e-10 * norm2(direct));
}

TEST_CASE("count-sketch: merging refuses other seeds, sizes and sums that overflow") {
  CountSketch c({.rows = 1, .width = 16, .seed = 9}), other({.rows = 1, .width = 16, .seed = 8});
  const std::vector<float> huge(16, std::numeric_limits<float>::max());
  const auto into = encoded(c, huge, 0);
  const auto sentence = [&](std::span<const std::byte> message) {
    std::vector<std::byte> copy = into;
    const auto merged = c.merge(message, 16, copy);
    CHECK(copy == into);
    // What does not fit is known beforehand.
    const auto fits = c.fits(message, 16);
    if (!fits.ok()) CHECK(fits.error().message == merged.error().message);
    return merged.error().message;
  };
  CHECK(c.fits(into, 16).ok());
  CHECK_FALSE(c.fits(encoded(other, huge, 0), 16).ok());
  CHECK_FALSE(c.fits(encoded(c, normals(15, 1), 0), 16).ok());
  CHECK(sentence(encoded(other, huge, 0)) == "header field seed: found 8, expected 9");
  CHECK(sentence(encoded(c, normals(15, 1), 0)) == "header field d: found 15, expected 16");
  CHECK(sentence(into).starts_with("sum of cell 0: found "));
  CHECK(sentence(into).ends_with("inf, expected a finite number"));
}

// E‖C(x) - x‖² = (d - 1)/W ‖x‖² for one row, where hashing were coordinate by coordinate; blocks of
// 16 lower it to (d/16 - 1) 16/W on average over x. The median of more rows is better than one.
TEST_CASE("count-sketch: over the seeds unbiased, with the variance of the contract") {
  constexpr std::size_t kSize = 640, kWidth = 256, kSeeds = 3000;
  const std::vector<float> x = heavy(kSize, 4);
  for (const std::size_t rows : {1, 3, 5}) {
    CAPTURE(rows);
    CountSketch c({.rows = rows, .width = kWidth});
    std::vector<double> sum(kSize, 0.0);
    double error = 0, square = 0;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      c.set_seed(seed);
      const std::vector<float> y = decoded(c, encoded(c, x, 0), kSize);
      for (std::size_t i = 0; i < kSize; ++i) sum[i] += double{y[i]} - double{x[i]};
      const double relative = distance2(x, y) / norm2(x);
      error += relative / kSeeds;
      square += relative * relative / kSeeds;
    }
    const double omega = c.contract(kSize).constant;
    CHECK(omega == doctest::Approx(639.0 / 256));
    const double standard = std::sqrt((square - error * error) / kSeeds);
    CHECK(error < omega + 5 * standard);
    if (rows == 1) CHECK(std::fabs(error - (kSize / 16.0 - 1) * 16 / kWidth) < 5 * standard);
    if (rows > 1) CHECK(error < 0.8 * omega);
    double of_mean = 0, total = 0;
    for (const double s : sum) {
      of_mean += s * s / (kSeeds * kSeeds);
      total += s / kSeeds;
    }
    CHECK(of_mean < error * norm2(x) / kSeeds * 1.5);
    CHECK(std::fabs(total) < 5 * std::sqrt(error * norm2(x) / kSeeds));
  }
}

TEST_CASE("count-sketch: k entries come through exactly where the width is 50 k") {
  constexpr std::size_t kSize = 10'000, kEntries = 20;
  std::size_t exact = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    std::vector<float> x(kSize, 0.0f);
    const std::vector<float> values = normals(kEntries, seed);
    for (std::size_t k = 0; k < kEntries; ++k) {
      x[(k * 499 + 37 * seed) % kSize] = values[k] + std::copysign(1.0f, values[k]);
    }
    CountSketch c({.rows = 7, .width = 1024, .seed = seed, .keep = kEntries});
    exact += decoded(c, encoded(c, x, 0), kSize) == x ? 1 : 0;
  }
  CHECK(exact >= 47);  // 99 % of 3000 other seeds
}

TEST_CASE("count-sketch: of equal estimates the first are kept") {
  CountSketch c({.rows = 1, .width = 16, .keep = 3});
  const std::vector<float> x(10, 0.5f);
  std::vector<float> expected(10, 0.0f);
  std::fill_n(expected.begin(), 3, 0.5f);
  CHECK(decoded(c, encoded(c, x, 0), 10) == expected);
}

TEST_CASE("count-sketch: cells saturate, a cell that is none is refused by its number") {
  CountSketch c({.rows = 1, .width = 16});
  const std::vector<float> huge(1600, std::numeric_limits<float>::max());
  const auto saturated = encoded(c, huge, 0);
  decoded(c, saturated, huge.size());
  std::vector<std::byte> message = encoded(c, normals(100, 1), 0);
  std::vector<float> y(100);
  store(std::numeric_limits<float>::infinity(), message.data() + 32 + 4 * 5);
  CHECK(c.decode_add(message, 1, y).error().message.find("5") != std::string::npos);
  CHECK(y == std::vector<float>(100, 0.0f));
}
