#include "compress/natural_dithering.h"

#include <doctest/doctest.h>

#include <cmath>

#include "compress/quantize.h"
#include "draws.h"
#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

MakeOperator dithering(BucketNorm norm, std::size_t bucket) {
  return [=](std::size_t) { return std::make_unique<NaturalDithering>(norm, bucket); };
}

}  // namespace

TEST_CASE("natural dithering: the properties of every operator") {
  check_operator(dithering(BucketNorm::max, 512),
                 {.lengths = {0, 1, 15, 16, 17, 127, 128, 129, 511, 512, 513, 10000}});
  check_operator(dithering(BucketNorm::l2, 128), {.lengths = {0, 1, 127, 129, 512, 513, 4000}});
}

TEST_CASE("natural dithering: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 13, 512, 700}) check_hostile(dithering(BucketNorm::max, 512), d);
}

TEST_CASE("natural dithering: bytes are those of 4-bit quantisation") {
  NaturalDithering c;
  CHECK(c.encoded_bytes_max(0) == 32);
  CHECK(c.encoded_bytes_max(1000) == 32 + 2 * 4 + 8 * 64);
  CHECK(encoded(c, normals(1000, 1), 0).size() == c.encoded_bytes_max(1000));
}

// Specification 1.8: B = 512 gives ω <= 0.25.
TEST_CASE("natural dithering: the constant of the contract") {
  CHECK(NaturalDithering().contract(10000) ==
        Contract{Guarantee::unbiased, 0.125 + 512.0 / 64 / 64});
  CHECK(NaturalDithering().contract(64).constant == 0.125 + 1.0 / 64);
  CHECK(NaturalDithering(BucketNorm::max, 8192).contract(8192).constant ==
        doctest::Approx(0.125 + std::sqrt(8192) / 64));
}

TEST_CASE("natural dithering: values are a power of two of the norm at most, or zero") {
  NaturalDithering c;
  std::vector<float> x = heavy(512, 4);
  x[10] = -100;
  const std::vector<float> y = decoded(c, encoded(c, x, 3), 512);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float size = std::fabs(x[i]) / 100, rounded = std::fabs(y[i]) / 100;
    if (rounded == 0) {
      CHECK(size < 0x1p-6f);
      continue;
    }
    CHECK(std::signbit(x[i]) == std::signbit(y[i]));
    int exponent = 0;
    CHECK(std::frexp(rounded, &exponent) == 0.5f);
    CHECK(exponent <= 1);
    CHECK(exponent >= -5);
    CHECK(rounded <= std::max(2 * size, 0x1p-6f) * (1 + 1e-6f));
    CHECK(rounded >= size / 2 * (1 - 1e-6f));
  }
  CHECK(y[10] == -100);
}

TEST_CASE("natural dithering: the mean of many draws is x, the error within the contract") {
  for (const BucketNorm norm : {BucketNorm::max, BucketNorm::l2}) {
    NaturalDithering c(norm);
    CHECK(bias_ratio(c, heavy(1024, 7), 400) == doctest::Approx(1).epsilon(0.25));
    CHECK(bias_ratio(c, normals(1024, 7), 400) == doctest::Approx(1).epsilon(0.25));
    const Estimate found =
        relative_error(c, 200, [](std::size_t round) { return heavy(512, round); });
    CHECK(found.mean < c.contract(512).constant - 5 * found.standard_error);
  }
}

// One coordinate of the norm, all others in the middle of 0 and the lowest level.
TEST_CASE(
    "natural dithering: a vector that nearly reaches the part of the bound for small values") {
  NaturalDithering c;
  std::vector<float> x(512, 0x1p-7f);
  x[0] = 1;
  const Estimate found = relative_error(c, 200, [&](std::size_t) { return x; });
  CHECK(found.mean == doctest::Approx(511 * 0x1p-14 / norm2(x)));
  CHECK(found.mean < c.contract(512).constant);
}

// Specification 1.8: better than uniform levels for heavy tails, worse for a Gaussian.
TEST_CASE("natural dithering: against uniform levels of as many bits") {
  NaturalDithering powers;
  Quantize uniform;
  const auto gaussian = [](std::size_t round) { return normals(512, round); };
  const auto peaked = [](std::size_t round) {
    std::vector<float> x = normals(512, round);
    for (float& value : x) value = value * value * value * value * value;
    return x;
  };
  CHECK(relative_error(powers, 100, gaussian).mean > relative_error(uniform, 100, gaussian).mean);
  CHECK(relative_error(powers, 100, peaked).mean < relative_error(uniform, 100, peaked).mean);
}
