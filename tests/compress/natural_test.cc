#include "compress/natural.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "draws.h"
#include "guarded.h"
#include "properties.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

const std::vector<std::size_t> kLengths = {0, 1, 7, 8, 15, 16, 17, 513, 2047, 2048, 2049, 10000};

MakeOperator natural(NaturalForm form) {
  return [=](std::size_t) { return std::make_unique<Natural>(form); };
}

// Uniform over all finite floats.
std::vector<float> any_floats(std::size_t size, std::uint64_t key) {
  std::vector<float> x(size);
  const Random random(31, Stream::test, {key});
  for (std::size_t i = 0; i < size; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random.bits(i)));
    x[i] = std::isfinite(value) ? value : std::numeric_limits<float>::max();
  }
  return x;
}

void check_kernels(std::size_t size, std::size_t shift, NaturalForm form) {
  CAPTURE(size);
  CAPTURE(shift);
  GuardedFloats x(size, shift), y = guarded_normals(size, shift, 1), y_ref = y;
  std::ranges::copy(any_floats(size, size), x.span().begin());
  GuardedBytes fields(size, shift), fields_ref = fields;
  GuardedBytes signs((size + 7) / 8, shift), signs_ref = signs;
  const NaturalCodes<std::byte> codes{fields.span().data(), signs.span().data()};
  const NaturalCodes<std::byte> codes_ref{fields_ref.span().data(), signs_ref.span().data()};
  const NaturalDraw draw{0x123456789abcdef, 40};
  CHECK(write_powers(x.span(), form, draw, codes));
  CHECK(ref::write_powers(x.span(), form, draw, codes_ref));
  CHECK(fields == fields_ref);
  CHECK(signs == signs_ref);
  add_powers({codes.fields, codes.signs}, form, 0.3f, y.span());
  ref::add_powers({codes.fields, codes.signs}, form, 0.3f, y_ref.span());
  CHECK(y == y_ref);
}

}  // namespace

TEST_CASE("natural kernels: every instruction set computes the bits of the plain loops") {
  for_each_target([] {
    for (const NaturalForm form : {NaturalForm::nine_bits, NaturalForm::eight_bits}) {
      for (const std::size_t size : {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 1000}) {
        for (const std::size_t shift : {0, 1, 3}) check_kernels(size, shift, form);
      }
    }
  });
}

TEST_CASE("natural: the properties of every operator") {
  check_operator(natural(NaturalForm::nine_bits), {.lengths = kLengths});
  check_operator(natural(NaturalForm::eight_bits), {.lengths = kLengths});
}

TEST_CASE("natural: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 13, 512, 700}) check_hostile(natural(NaturalForm::nine_bits), d);
  check_hostile(natural(NaturalForm::eight_bits), 700);
}

TEST_CASE("natural: bytes are nine or eight bits a coordinate") {
  Natural nine, eight(NaturalForm::eight_bits);
  for (const std::size_t d : {0, 1, 7, 8, 9, 1001}) {
    CHECK(nine.encoded_bytes_max(d) == 32 + (9 * d + 7) / 8);
    CHECK(eight.encoded_bytes_max(d) == 32 + d);
    CHECK(encoded(nine, normals(d, 1), 0).size() == nine.encoded_bytes_max(d));
    CHECK(encoded(eight, normals(d, 1), 0).size() == eight.encoded_bytes_max(d));
  }
}

TEST_CASE("natural: values are one of the two powers of two beside x") {
  Natural c;
  const std::vector<float> x = any_floats(5000, 1);
  const std::vector<float> y = decoded(c, encoded(c, x, 3), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float size = std::fabs(x[i]), rounded = std::fabs(y[i]);
    const float low = size < 0x1p-126f ? 0 : std::ldexp(1.0f, std::ilogb(size));
    const float high = size < 0x1p-126f ? 0x1p-126f : std::ldexp(low, size == low ? 0 : 1);
    if (size > 0x1p127f) {
      CHECK(rounded == 0x1p127f);
    } else {
      CHECK((rounded == low || rounded == high));
    }
    if (rounded > 0) CHECK(std::signbit(x[i]) == std::signbit(y[i]));
  }
}

TEST_CASE("natural: powers of two are kept") {
  Natural nine, eight(NaturalForm::eight_bits);
  std::vector<float> x = {0.0f, -0.0f};
  for (int exponent = -109; exponent <= 17; ++exponent) {
    x.push_back(std::ldexp(exponent % 2 == 0 ? 1.0f : -1.0f, exponent));
  }
  CHECK(decoded(eight, encoded(eight, x, 1), x.size()) == x);
  x.insert(x.end(), {0x1p-126f, -0x1p127f, 0x1p-110f, 0x1p18f});
  CHECK(decoded(nine, encoded(nine, x, 1), x.size()) == x);
}

// Specification 1.7.
TEST_CASE("natural: the error of x² is 1/8 at worst, 0.0794 over a uniform fraction") {
  Natural c;
  constexpr std::size_t kSize = 1 << 18;
  const Random random(37, Stream::test);
  std::vector<float> uniform(kSize), worst(kSize, 4.0f / 3);
  for (std::size_t i = 0; i < kSize; ++i) uniform[i] = 1 + static_cast<float>(random.uniform(i));
  for (const auto& [x, wanted] : {std::pair{uniform, 0.0794}, std::pair{worst, 0.125}}) {
    const std::vector<float> y = decoded(c, encoded(c, x, subkey(6, 0)), kSize);
    std::vector<double> ratios;
    for (std::size_t i = 0; i < kSize; ++i) {
      ratios.push_back(std::pow((double{y[i]} - double{x[i]}) / double{x[i]}, 2));
    }
    const Estimate found = estimate(ratios);
    CAPTURE(found.mean);
    CHECK(std::fabs(found.mean - wanted) < 5 * found.standard_error + 0.00005);
  }
}

TEST_CASE("natural: how often it is rounded up is the fraction, of denormals too") {
  Natural c;
  constexpr std::size_t kDraws = 1 << 16;
  for (const float value : {1.25f, 1.5f, -1.9f, 3e-39f, 2e-40f, -0x1.8p-126f}) {
    const std::vector<float> x(kDraws, value);
    const std::vector<float> y = decoded(c, encoded(c, x, subkey(5, 0)), kDraws);
    double mean = 0;
    for (const float rounded : y) mean += double{rounded} / kDraws;
    const double error = std::sqrt(distance2(x, y) / kDraws / kDraws);
    CAPTURE(value);
    if (std::fabs(value) > 1e-37f) {
      CHECK(std::fabs(mean - double{value}) < 5 * error);
    } else {
      const double share = double{value} * 0x1p126;
      CHECK(std::fabs(mean * 0x1p126 - share) < 5 * std::sqrt(std::fabs(share) / kDraws));
    }
  }
}

TEST_CASE("natural: the mean of many draws is x, the error within 1/8") {
  for (const NaturalForm form : {NaturalForm::nine_bits, NaturalForm::eight_bits}) {
    Natural c(form);
    CHECK(bias_ratio(c, heavy(2048, 7), 400) == doctest::Approx(1).epsilon(0.25));
    const Estimate found =
        relative_error(c, 200, [](std::size_t round) { return normals(512, round); });
    CHECK(found.mean < 0.125 - 5 * found.standard_error);
    CHECK(found.mean > 0.07);
  }
}

TEST_CASE("natural: the contracts, and eight bits outside of their range") {
  CHECK(Natural().contract(10) == Contract{Guarantee::unbiased, 0.125});
  Natural c(NaturalForm::eight_bits);
  CHECK(c.contract(10) == Contract{Guarantee::bounded, 1});
  const std::vector<float> x = {0x1.8p17f, -3e38f, 0x1p-111f, -1e-40f};
  CHECK(decoded(c, encoded(c, x, 1), 4) == std::vector<float>{0x1p17f, -0x1p17f, 0, 0});
  for (const float fraction : {0.01f, 0.1f, 0.3f, 0.5f, 0.9f}) {  // rounded to 0 or 2^-109
    const std::vector<float> y(1 << 16, 0x1p-110f * (1 + fraction));
    const double ratio = distance2(y, decoded(c, encoded(c, y, subkey(7, 0)), y.size())) / norm2(y);
    CHECK(ratio <= 1);
    CHECK(ratio ==
          doctest::Approx(1 - fraction + fraction * std::pow((1 - fraction) / (1 + fraction), 2))
              .epsilon(0.02));
  }
}

TEST_CASE("natural: refusals name the coordinate") {
  Natural c;
  std::vector<std::byte> message = encoded(c, normals(1001, 1), 0);
  std::vector<float> y(1001);
  message[32 + 500] = std::byte{255};
  CHECK(c.decode_add(message, 1, y).error().message ==
        "exponent at index 500: found 255, expected at most 254");
  message[32 + 500] = std::byte{1};
  message.back() = std::byte{2};
  CHECK(c.decode_add(message, 1, y).error().message == "padding bits: found 1, expected 0");
}
