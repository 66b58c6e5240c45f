#include "compress/ternary.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "draws.h"
#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

MakeOperator ternary(const TernaryParams& params) {
  return [=](std::size_t) { return std::make_unique<Ternary>(params); };
}

const std::vector<std::size_t> kFew = {0, 1, 4, 5, 6, 639, 640, 641, 1281, 4000};

}  // namespace

TEST_CASE("ternary: the properties of every operator") {
  check_operator(ternary({}), {.lengths = {0, 1, 15, 16, 17, 127, 129, 511, 513, 65537}});
}

TEST_CASE("ternary: the properties of every operator, other buckets and a clip") {
  check_operator(ternary({.bucket = 640}), {.lengths = kFew});
  check_operator(ternary({.bucket = 1920}), {.lengths = kFew});
  check_operator(ternary({.bucket = 640, .clip = 2.5f}), {.lengths = kFew});
}

TEST_CASE("ternary: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 4, 13, 640, 1000}) check_hostile(ternary({}), d);
}

TEST_CASE("ternary: bytes are a scale a bucket and a byte for five coordinates") {
  Ternary c;
  CHECK(c.encoded_bytes_max(0) == 32);
  CHECK(c.encoded_bytes_max(1) == 32 + 4 + 1);
  CHECK(c.encoded_bytes_max(1001) == 32 + 2 * 4 + 201);
  CHECK(encoded(c, normals(1001, 1), 0).size() == c.encoded_bytes_max(1001));
}

TEST_CASE("ternary: the first coordinate is the lowest digit") {
  Ternary c;
  const std::vector<float> x = {2, -2, 0, 2, -2, 0, -2};
  const std::vector<std::byte> message = encoded(c, x, 1);
  CHECK(message[36] == std::byte{1 + 2 * 3 + 27 + 2 * 81});
  CHECK(message[37] == std::byte{2 * 3});
  CHECK(decoded(c, message, 7) == x);
}

TEST_CASE("ternary: every byte of five digits decodes to them") {
  Ternary c;
  std::vector<std::byte> message = encoded(c, std::vector<float>(5, 1.0f), 0);
  for (unsigned byte = 0; byte < 256; ++byte) {
    message[36] = static_cast<std::byte>(byte);
    std::vector<float> y(5, 0.0f);
    REQUIRE(c.decode_add(message, 1, y).ok() == (byte < 243));
    if (byte >= 243) continue;
    unsigned rest = byte;
    for (const float value : y) {
      CHECK(value == (rest % 3 == 2 ? -1.0f : static_cast<float>(rest % 3)));
      rest /= 3;
    }
  }
}

TEST_CASE("ternary: the constant of the contract, and the vector that reaches it") {
  Ternary c;
  CHECK(c.contract(10000) == Contract{Guarantee::unbiased, (std::sqrt(640.0) - 1) / 2});
  CHECK(c.contract(100) == Contract{Guarantee::unbiased, 4.5});
  CHECK(c.contract(1) == Contract{Guarantee::unbiased, 0});
  for (const std::size_t d : {16, 100, 640}) {
    const float a = 1 / (1 + std::sqrt(static_cast<float>(d)));
    std::vector<float> x(d, a);
    x[0] = 1;
    const Estimate found = relative_error(c, 2000, [&](std::size_t) { return x; });
    CAPTURE(found.mean);
    CHECK(std::fabs(found.mean - c.contract(d).constant) < 5 * found.standard_error);
  }
}

TEST_CASE("ternary: the mean of many draws is x, with a clip the cut x") {
  const std::vector<float> x = heavy(1280, 7);
  Ternary c, clipped({.clip = 2.5f});
  CHECK(bias_ratio(c, x, 400) == doctest::Approx(1).epsilon(0.25));
  CHECK(bias_ratio(clipped, x, 400) > 10);
  std::vector<float> cut = x;
  for (std::size_t begin = 0; begin < x.size(); begin += 640) {
    const auto bucket = std::span(cut).subspan(begin, 640);
    const auto most = static_cast<float>(2.5 * std::sqrt(norm2(bucket) / 640));
    for (float& value : bucket) value = std::copysign(std::min(std::fabs(value), most), value);
  }
  std::vector<double> mean(x.size());
  constexpr std::size_t kDraws = 2000;
  for (std::size_t draw = 0; draw < kDraws; ++draw) {
    const std::vector<float> y = decoded(clipped, encoded(clipped, x, subkey(3, draw)), x.size());
    for (std::size_t i = 0; i < x.size(); ++i) mean[i] += double{y[i]} / kDraws;
  }
  double squares = 0;
  for (std::size_t i = 0; i < x.size(); ++i) squares += std::pow(mean[i] - double{cut[i]}, 2);
  CHECK(squares / norm2(cut) < 2 * clipped.contract(1280).constant / kDraws);
}

TEST_CASE("ternary: with a clip within its bound") {
  Ternary c({.clip = 2.5f});
  CHECK(c.contract(640) == Contract{Guarantee::bounded, (std::sqrt(640.0) - 1) / 2});
  CHECK(c.contract(4) == Contract{Guarantee::bounded, 1});
  const Estimate found =
      relative_error(c, 200, [](std::size_t round) { return heavy(640, round); });
  Ternary plain;
  const Estimate whole =
      relative_error(plain, 200, [](std::size_t round) { return heavy(640, round); });
  CHECK(found.mean < whole.mean / 2);
  CHECK(found.mean < c.contract(640).constant);
}

TEST_CASE("ternary: refusals name the byte") {
  Ternary c;
  const std::vector<std::byte> good = encoded(c, normals(1001, 1), 0);
  std::vector<float> y(1001);
  const auto message_of = [&](std::size_t at, unsigned value) {
    std::vector<std::byte> bad = good;
    bad[at] = static_cast<std::byte>(value);
    return c.decode_add(bad, 1, y).error().message;
  };
  CHECK(message_of(40 + 77, 243) == "byte 77 of the trits: found 243, expected below 243");
  CHECK(message_of(40 + 200, 3) == "last byte of the trits: found 3, expected below 3");
}
