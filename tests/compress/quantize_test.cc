#include "compress/quantize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "draws.h"
#include "properties.h"
#include "protocol/random.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

const std::vector<std::size_t> kSome = {0, 1, 15, 16, 17, 127, 128, 129, 511, 512, 513, 10000};
const std::vector<std::size_t> kFew = {0, 1, 127, 128, 129, 512, 513, 4000};

MakeOperator quantize(const QuantizeParams& params) {
  return [=](std::size_t) { return std::make_unique<Quantize>(params); };
}

// By Box and Muller: the tails of `normals`, sums of twelve numbers, are too light for the largest.
std::vector<float> gaussian(std::size_t d, std::uint64_t key) {
  const Random random(23, Stream::test, {key});
  std::vector<float> x(d);
  for (std::size_t i = 0; i < d; ++i) {
    const double radius = std::sqrt(-2 * std::log(1 - random.uniform(2 * i)));
    x[i] = static_cast<float>(radius * std::cos(2 * std::numbers::pi * random.uniform(2 * i + 1)));
  }
  return x;
}

// ω̂ of 512 Gaussian coordinates in one bucket.
Estimate gaussian_error(const QuantizeParams& params) {
  Quantize c(params);
  return relative_error(c, 1000, [](std::size_t round) { return gaussian(512, round); });
}

void check_near(const Estimate& found, double wanted, double rounding) {
  CAPTURE(found.mean);
  CAPTURE(found.standard_error);
  CHECK(std::fabs(found.mean - wanted) < 5 * found.standard_error + rounding);
}

}  // namespace

TEST_CASE("quantize: the properties of every operator, 4 bits") {
  check_operator(quantize({}),
                 {.lengths = {0, 1, 15, 16, 17, 127, 128, 129, 511, 512, 513, 65535}});
}

TEST_CASE("quantize: the properties of every operator, a million coordinates") {
  check_operator(quantize({}), {.lengths = {lengths().back()}});
}

TEST_CASE("quantize: the properties of every operator, 2 and 8 bits") {
  check_operator(quantize({.bits = 2}), {.lengths = kSome});
  check_operator(quantize({.bits = 8}), {.lengths = kSome});
}

TEST_CASE("quantize: the properties of every operator, other norms and roundings") {
  for (const unsigned bits : {2U, 4U, 8U}) {
    CAPTURE(bits);
    check_operator(quantize({.bits = bits, .rounding = Rounding::nearest}),
                   {.lengths = kFew, .always_contracts = true});
  }
  check_operator(quantize({.bits = 4, .bucket = 128, .norm = BucketNorm::l2}), {.lengths = kFew});
  check_operator(quantize({.bits = 8, .norm = BucketNorm::l2, .rounding = Rounding::nearest}),
                 {.lengths = kFew, .always_contracts = true});
}

TEST_CASE("quantize: cut, prolonged and flipped messages") {
  for (const unsigned bits : {2U, 4U, 8U}) {
    for (const std::size_t d : {1, 13, 512, 700}) check_hostile(quantize({.bits = bits}), d);
  }
}

TEST_CASE("quantize: bytes are a scale a bucket and the codes in blocks of 128") {
  CHECK(Quantize().encoded_bytes_max(0) == 32);
  CHECK(Quantize().encoded_bytes_max(1000) == 32 + 2 * 4 + 8 * 64);
  CHECK(Quantize({.bits = 2, .bucket = 128}).encoded_bytes_max(1000) == 32 + 8 * 4 + 8 * 32);
  CHECK(Quantize({.bits = 8}).encoded_bytes_max(1001) == 32 + 2 * 4 + 1001);
  for (const unsigned bits : {2U, 4U, 8U}) {
    Quantize c({.bits = bits});
    CHECK(encoded(c, normals(1000, 1), 0).size() == c.encoded_bytes_max(1000));
  }
}

TEST_CASE("quantize: the constants of the contracts") {
  const auto contract = [](const QuantizeParams& params, std::size_t d) {
    return Quantize(params).contract(d);
  };
  CHECK(contract({.bits = 4, .norm = BucketNorm::l2}, 10000) ==
        Contract{Guarantee::unbiased, std::sqrt(512.0) / 7});
  CHECK(contract({.bits = 4}, 10000) == Contract{Guarantee::unbiased, 512.0 / 4 / 49});
  CHECK(contract({.bits = 4}, 100) == Contract{Guarantee::unbiased, 100.0 / 4 / 49});
  CHECK(contract({.bits = 2}, 10000) == Contract{Guarantee::unbiased, std::sqrt(512.0)});
  const Contract nearest = contract({.bits = 4, .rounding = Rounding::nearest}, 10000);
  CHECK(nearest.guarantee == Guarantee::contractive);
  CHECK(nearest.constant == doctest::Approx(196.0 / (196 + 511)));
  const QuantizeParams l2{.bits = 4, .norm = BucketNorm::l2, .rounding = Rounding::nearest};
  CHECK(contract(l2, 512).guarantee == Guarantee::bounded);
  CHECK(contract(l2, 49).guarantee == Guarantee::contractive);
  CHECK(contract(l2, 49).constant == doctest::Approx(0.75));
}

// Specification 1.6, measured on Gaussian buckets of 512. For ‖x‖_∞ and s = 1 it has 1.64, but
// E max|x_i| · √(2/π) - 1 = 1.592.
TEST_CASE("quantize: the error that the specification measured for a Gaussian bucket") {
  check_near(gaussian_error({.bits = 4}), 0.0365, 0.0005);
  check_near(gaussian_error({.bits = 4, .norm = BucketNorm::l2}), 1.58, 0.01);
  check_near(gaussian_error({.bits = 2}), 1.592, 0.001);
  check_near(gaussian_error({.bits = 2, .norm = BucketNorm::l2}), 17.0, 0.05);
  check_near(gaussian_error({.bits = 8}), 1e-4, 2e-5);
  check_near(gaussian_error({.bits = 4, .rounding = Rounding::nearest}), 0.0183, 0.0005);
}

TEST_CASE("quantize: the mean of many draws is x") {
  const std::vector<float> x = heavy(1024, 7);
  for (const unsigned bits : {2U, 4U, 8U}) {
    for (const BucketNorm norm : {BucketNorm::max, BucketNorm::l2}) {
      CAPTURE(bits);
      Quantize c({.bits = bits, .norm = norm});
      CHECK(bias_ratio(c, x, 400) == doctest::Approx(1).epsilon(0.25));
    }
  }
  Quantize biased({.bits = 4, .rounding = Rounding::nearest});
  CHECK(bias_ratio(biased, x, 400) > 100);
}

TEST_CASE("quantize: no error is above a level, of nearest rounding above half of one") {
  const std::vector<float> x = heavy(512, 8);
  const float norm =
      std::fabs(*std::ranges::max_element(x, {}, [](float v) { return std::fabs(v); }));
  for (const unsigned bits : {2U, 4U, 8U}) {
    const float level = norm / static_cast<float>(levels_of(bits)) * (1 + 0x1p-20f);
    Quantize random({.bits = bits}), nearest({.bits = bits, .rounding = Rounding::nearest});
    const std::vector<float> y = decoded(random, encoded(random, x, 1), 512);
    const std::vector<float> z = decoded(nearest, encoded(nearest, x, 1), 512);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(std::fabs(y[i] - x[i]) <= level);
      CHECK(std::fabs(z[i] - x[i]) <= level / 2);
    }
  }
}

// The largest coordinate is exact; the others lie just below half a level and become 0.
TEST_CASE("quantize: the vector that nearest rounding contracts the least") {
  for (const unsigned bits : {2U, 4U, 8U}) {
    const auto s = static_cast<float>(levels_of(bits));
    std::vector<float> x(512, 0.499999f / s);
    x[100] = -1;
    Quantize c({.bits = bits, .rounding = Rounding::nearest});
    const double left = distance2(x, decoded(c, encoded(c, x, 0), 512)) / norm2(x);
    CHECK(left <= 1 - c.contract(512).constant);
    CHECK(left == doctest::Approx(1 - c.contract(512).constant).epsilon(1e-4));
  }
}

TEST_CASE("quantize: what the largest floats become is finite") {
  for (const unsigned bits : {2U, 4U, 8U}) {
    for (const BucketNorm norm : {BucketNorm::max, BucketNorm::l2}) {
      Quantize c({.bits = bits, .norm = norm});
      std::vector<float> x(300, std::numeric_limits<float>::max());
      x[7] = -x[7];
      for (const float value : decoded(c, encoded(c, x, 1), 300)) CHECK(std::isfinite(value));
    }
  }
}

TEST_CASE("quantize: another key draws another rounding") {
  Quantize c;
  const std::vector<float> x = normals(300, 1);
  CHECK(encoded(c, x, 1) == encoded(c, x, 1));
  CHECK(encoded(c, x, 1) != encoded(c, x, 2));
}

TEST_CASE("quantize: refusals name what is wrong") {
  Quantize c;
  const std::vector<std::byte> good = encoded(c, normals(600, 1), 0);
  std::vector<float> y(600);
  const auto message_of = [&](std::size_t at, unsigned value) {
    std::vector<std::byte> bad = good;
    bad[at] = static_cast<std::byte>(value);
    return c.decode_add(bad, 1, y).error().message;
  };
  CHECK(message_of(32 + 8 + 4 * 64 + 3, 0x10) ==
        "code at index 624, past the end: found 1, expected 0");
  CHECK(message_of(32 + 3, 0xc0).find("scale of bucket 0: found -") == 0);
  CHECK(message_of(2, 8) == "header field param: found 8, expected 4");
  CHECK(message_of(1, 2) == "header field flags: found 2, expected 0");
}
