#include "compress/threshold.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "compress/sign.h"
#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

MakeOperator threshold(float tau, double cap, ValueFormat format = ValueFormat::float32) {
  return [=](std::size_t) {
    return std::make_unique<Threshold>(
        tau, cap,
        SparseCoder(format, format == ValueFormat::nested ? std::make_unique<Sign>(Norm::l1, 64)
                                                          : nullptr));
  };
}

std::vector<float> sent(float tau, double cap, const std::vector<float>& x) {
  Threshold c(tau, cap);
  return decoded(c, encoded(c, x, 0), x.size());
}

std::size_t nonzeros(std::span<const float> x) {
  return static_cast<std::size_t>(std::ranges::count_if(x, [](float v) { return v != 0; }));
}

// The definition, by sorting all of x.
std::vector<float> plain(float tau, std::size_t most, const std::vector<float>& x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(
      order, [&](std::size_t a, std::size_t b) { return std::fabs(x[a]) > std::fabs(x[b]); });
  std::vector<float> y(x.size(), 0.0f);
  for (std::size_t j = 0; j < std::min(most, x.size()); ++j) {
    if (std::fabs(x[order[j]]) >= tau && x[order[j]] != 0) y[order[j]] = x[order[j]];
  }
  return y;
}

}  // namespace

TEST_CASE("threshold: the properties of every operator") {
  check_operator(threshold(2, Threshold::kCap));
  const std::vector<std::size_t> lengths = {0, 1, 15, 16, 17, 129, 513, 8195};
  check_operator(threshold(0, 0.1), {.lengths = lengths});
  check_operator(threshold(0, 1), {.lengths = lengths});
  check_operator(threshold(0.5, 1, ValueFormat::bfloat16), {.lengths = lengths});
  check_operator(threshold(0.5, 1, ValueFormat::nested), {.lengths = lengths});
}

TEST_CASE("threshold: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 64, 1000}) check_hostile(threshold(1, 0.25), d);
  check_hostile(threshold(0, 1, ValueFormat::bfloat16), 300);
  check_hostile(threshold(1, 1, ValueFormat::nested), 300);
}

TEST_CASE("threshold: every kept coordinate is at least τ, every dropped one below") {
  const std::vector<float> x = heavy(100'000, 3);
  const std::vector<float> y = sent(1.5f, 1, x);
  for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == (std::fabs(x[i]) >= 1.5f ? x[i] : 0));
  CHECK(nonzeros(y) > 1000);
}

TEST_CASE("threshold: τ itself is kept, the float below is not") {
  const float below = std::nextafter(0.3f, 0.0f);
  CHECK(sent(0.3f, 1, {0.3f, -0.3f, below, -below}) == std::vector<float>{0.3f, -0.3f, 0, 0});
}

TEST_CASE("threshold: 0 keeps whatever is not zero, more than the largest nothing") {
  const float least = std::numeric_limits<float>::denorm_min();
  CHECK(sent(0, 1, {1, 0, -0.0f, -least}) == std::vector<float>{1, 0, 0, -least});
  Threshold c(5);
  CHECK(encoded(c, std::vector<float>(1000, 4.9f), 0).size() == 32);
}

TEST_CASE("threshold: beyond the cap the largest are kept, the lowest index among equals") {
  for (const std::size_t d : {1, 2, 9, 1000, 9000, 20'000}) {
    CAPTURE(d);
    const std::vector<float> x = heavy(d, d);
    const std::size_t most = (d + 9) / 10;
    CHECK(sent(0, 0.1, x) == plain(0, most, x));
    CHECK(sent(0.1f, 0.1, x) == plain(0.1f, most, x));
    const std::vector<float> equal(d, -0.75f);
    CHECK(sent(0.5f, 0.1, equal) == plain(0.5f, most, equal));
  }
}

TEST_CASE("threshold: exactly as many as the cap allows are all kept, one more is not") {
  std::vector<float> x(1000, 0.0f);
  for (std::size_t i = 0; i < 100; ++i) x[i * 7] = 1;
  CHECK(sent(1, 0.1, x) == x);
  x[999] = 1;
  CHECK(nonzeros(sent(1, 0.1, x)) == 100);
  CHECK(sent(1, 0.1, x)[999] == 0);
}

TEST_CASE("threshold: a large coordinate far behind as many as the cap allows is kept") {
  std::vector<float> x(20'000, 0.0f);
  std::fill(x.begin(), x.begin() + 2000, 1.0f);
  x.back() = 5;
  const std::vector<float> y = sent(1, 0.1, x);
  CHECK(y.back() == 5);
  CHECK(y[1999] == 0);
  CHECK(nonzeros(y) == 2000);
}

TEST_CASE("threshold: the error stays within β²‖x‖² + σ², with the cap and without") {
  for (const float tau : {0.0f, 0.5f, 2.0f, 5.0f}) {
    for (const double cap : {0.001, 0.1, 1.0}) {
      CAPTURE(tau);
      CAPTURE(cap);
      const Contract contract = Threshold(tau, cap).contract(8195);
      CHECK(contract.guarantee == Guarantee::bounded);
      for (const Vector& v : vectors(8195)) {
        if (v.content == "huge") continue;
        const std::vector<float> y = sent(tau, cap, v.x);
        CHECK(distance2(v.x, y) <= contract.constant * norm2(v.x) + contract.absolute + 1e-80);
      }
    }
  }
  CHECK(Threshold(0.5f, 1).contract(1000) == Contract{Guarantee::bounded, 0, 250});
  CHECK(Threshold(0.5f).contract(1000) == Contract{Guarantee::bounded, 0.75, 250});
}

TEST_CASE("threshold: bytes are those of at most the cap's entries") {
  const std::size_t most = 32 + index_bytes_max(250, 1000) + 250 * 4;
  CHECK(Threshold(1).encoded_bytes_max(1000) == most);
  std::vector<float> x(1000, 0.0f);
  std::fill(x.begin() + 750, x.end(), 1.0f);
  Threshold c(1);
  CHECK(encoded(c, x, 0).size() == most);
  CHECK(Threshold(1).encoded_bytes_max(0) == 32);
}

TEST_CASE("threshold: NaN is refused also where the cap is exceeded before it") {
  std::vector<float> x(20'000, 3.0f);
  x[19'999] = std::nanf("");
  Threshold c(1);
  std::vector<std::byte> out(c.encoded_bytes_max(x.size()));
  CHECK(c.encode(x, 0, out).error().message == "found nan at index 19999, expected finite values");
}

TEST_CASE("threshold: the fused residual is that of adding, encoding and decoding") {
  for (const float tau : {0.5f, 2.5f}) {
    for (const ValueFormat format : {ValueFormat::float32, ValueFormat::bfloat16}) {
      const auto c = threshold(tau, 0.25, format)(10'000);
      std::vector<float> e = normals(10'000, 1), g = heavy(10'000, 2), plain_e = e;
      std::vector<std::byte> out(c->encoded_bytes_max(10'000)), plain_out = out;
      REQUIRE(c->encode_ef(e, g, 0, out).ok());
      REQUIRE(c->Compressor::encode_ef(plain_e, g, 0, plain_out).ok());
      CHECK(std::memcmp(e.data(), plain_e.data(), e.size() * 4) == 0);
      CHECK(out == plain_out);
    }
  }
}
