#include "compress/random_k.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "compress/sign.h"
#include "promise.h"
#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

using Form = RandomK::Form;

ValueCoder value_coder(ValueFormat format) {
  return ValueCoder(format,
                    format == ValueFormat::nested ? std::make_unique<Sign>(Norm::l1, 64) : nullptr);
}

MakeOperator random_k(double ratio, Form form, ValueFormat format = ValueFormat::float32) {
  return [=](std::size_t) { return std::make_unique<RandomK>(ratio, form, value_coder(format)); };
}

std::vector<std::uint32_t> drawn(std::size_t d, std::size_t k, std::uint64_t key) {
  std::vector<std::uint32_t> indices(k);
  draw({d, k}, key, indices);
  return indices;
}

struct Mean {
  double mean, standard_error;
};
Mean mean_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  for (const double v : values) squares += (v - sum / n) * (v - sum / n);
  return {sum / n, std::sqrt(squares / (n - 1) / n)};
}

// ‖C(x) - x‖²/‖x‖² over `draws` keys.
Mean relative_error(const MakeOperator& make, const std::vector<float>& x, std::uint64_t draws) {
  const auto c = make(x.size());
  std::vector<double> errors;
  for (std::uint64_t key = 0; key < draws; ++key) {
    errors.push_back(distance2(x, decoded(*c, encoded(*c, x, key), x.size())) / norm2(x));
  }
  return mean_of(errors);
}

}  // namespace

TEST_CASE("random-k: the properties of every operator") {
  check_operator(random_k(0.01, Form::contractive));
  const std::vector<std::size_t> lengths = {0, 1, 15, 16, 17, 129, 513, 8195};
  check_operator(random_k(0.3, Form::unbiased), {.lengths = lengths});
  check_operator(random_k(1, Form::unbiased), {.lengths = lengths});
  check_operator(random_k(0.1, Form::contractive, ValueFormat::bfloat16), {.lengths = lengths});
  check_operator(random_k(0.5, Form::contractive, ValueFormat::nested), {.lengths = lengths});
  // float16 refuses the largest floats.
  check_operator(random_k(0.1, Form::unbiased, ValueFormat::float16),
                 {.lengths = lengths, .leave_out = {"huge"}});
}

TEST_CASE("random-k: cut, prolonged and flipped messages") {
  for (const ValueFormat format :
       {ValueFormat::float32, ValueFormat::bfloat16, ValueFormat::float16, ValueFormat::nested}) {
    for (const std::size_t d : {1, 16, 300}) {
      check_hostile(random_k(0.2, Form::contractive, format), d);
    }
  }
  check_hostile(random_k(1, Form::unbiased), 64);
}

TEST_CASE("random-k: one index of every stratum, whatever does not divide") {
  for (const std::size_t d : {1, 2, 7, 100, 1001, 65537}) {
    for (const std::size_t k : {std::size_t{1}, d / 3, d / 2, d - 1, d}) {
      if (k == 0) continue;
      CAPTURE(d);
      CAPTURE(k);
      const Strata strata{d, k};
      const std::vector<std::uint32_t> indices = drawn(d, k, 9);
      std::size_t longest = 0, shortest = d;
      for (std::size_t j = 0; j < k; ++j) {
        REQUIRE(indices[j] >= strata.begin(j));
        REQUIRE(indices[j] < strata.begin(j + 1));
        longest = std::max(longest, strata.begin(j + 1) - strata.begin(j));
        shortest = std::min(shortest, strata.begin(j + 1) - strata.begin(j));
      }
      CHECK(longest == strata.longest());
      CHECK(shortest == strata.shortest());
    }
  }
  const std::vector<std::uint32_t> few = drawn(0xffffffff, 3, 9);
  CHECK(few[0] < 0x55555555);
  CHECK(few[2] >= 0xaaaaaaaa);
}

TEST_CASE("random-k: every coordinate is drawn as often as its stratum says") {
  constexpr std::size_t kSize = 40, kCount = 7, kDraws = 20'000;
  std::vector<double> counts(kSize, 0);
  for (std::uint64_t key = 0; key < kDraws; ++key) {
    for (const std::uint32_t i : drawn(kSize, kCount, key * 0x9e3779b97f4a7c15)) ++counts[i];
  }
  const Strata strata{kSize, kCount};
  double chi2 = 0;
  for (std::size_t j = 0; j < kCount; ++j) {
    const std::size_t begin = strata.begin(j), end = strata.begin(j + 1);
    const double want = double{kDraws} / static_cast<double>(end - begin);
    for (std::size_t i = begin; i < end; ++i) chi2 += std::pow(counts[i] - want, 2) / want;
  }
  constexpr double kFreedom = kSize - kCount;
  CHECK(std::fabs(chi2 - kFreedom) < 5 * std::sqrt(2 * kFreedom));
}

TEST_CASE("random-k: a stratum of billions is drawn from as evenly as one of a few") {
  // 32 random bits over 3 · 2^30 places would take every third of them twice as often.
  constexpr int kDraws = 20'000;
  int counts[3] = {};
  for (std::uint64_t key = 0; key < kDraws; ++key) ++counts[drawn(3UL << 30, 1, key)[0] % 3];
  for (const int count : counts) {
    CHECK(std::fabs(count - kDraws / 3.0) < 5 * std::sqrt(kDraws * 2 / 9.0));
  }
}

TEST_CASE("random-k: draws of two strata, and of two keys, do not follow each other") {
  double neighbors = 0, keys = 0;
  constexpr int kDraws = 20'000;
  for (std::uint64_t key = 0; key < kDraws; ++key) {
    const auto a = drawn(32, 2, key), b = drawn(32, 2, key + 1);
    neighbors += (a[0] - 7.5) * (a[1] - 16 - 7.5);
    keys += (a[0] - 7.5) * (b[0] - 7.5);
  }
  const double variance = (16 * 16 - 1) / 12.0;  // of each factor
  CHECK(std::fabs(neighbors / kDraws / variance) < 5 / std::sqrt(double{kDraws}));
  CHECK(std::fabs(keys / kDraws / variance) < 5 / std::sqrt(double{kDraws}));
}

TEST_CASE("random-k: the mean of 10000 unbiased messages is x") {
  constexpr std::size_t kSize = 100, kDraws = 10'000;
  const std::vector<float> x = heavy(kSize, 1);
  for (const double ratio : {0.1, 0.07}) {
    RandomK c(ratio, Form::unbiased);
    std::vector<double> sum(kSize, 0), squares(kSize, 0);
    for (std::uint64_t key = 0; key < kDraws; ++key) {
      const std::vector<float> y = decoded(c, encoded(c, x, key), kSize);
      for (std::size_t i = 0; i < kSize; ++i) {
        sum[i] += y[i];
        squares[i] += double{y[i]} * y[i];
      }
    }
    for (std::size_t i = 0; i < kSize; ++i) {
      const double mean = sum[i] / kDraws;
      const double se = std::sqrt((squares[i] / kDraws - mean * mean) / kDraws);
      CHECK(std::fabs(mean - x[i]) < 5 * se);
    }
  }
}

TEST_CASE("random-k: each stratum is scaled by its own length, so ones add up to d") {
  for (const double ratio : {0.03, 0.07, 0.4}) {
    RandomK c(ratio, Form::unbiased);
    const std::vector<float> y = decoded(c, encoded(c, std::vector<float>(100, 1.0f), 3), 100);
    CHECK(std::accumulate(y.begin(), y.end(), 0.0) == 100);
  }
}

TEST_CASE("random-k: the error is ω = L - 1, and 1 - 1/L of ‖x‖² where nothing is scaled") {
  const std::vector<float> x = normals(1000, 2);
  const Mean unbiased = relative_error(random_k(0.1, Form::unbiased), x, 2000);
  CHECK(RandomK(0.1, Form::unbiased).contract(1000) == Contract{Guarantee::unbiased, 9});
  CHECK(std::fabs(unbiased.mean - 9) < 5 * unbiased.standard_error);
  const Mean contractive = relative_error(random_k(0.1, Form::contractive), x, 2000);
  CHECK(RandomK(0.1).contract(1000) == Contract{Guarantee::contractive, 0.1});
  CHECK(std::fabs(contractive.mean - 0.9) < 5 * contractive.standard_error);
}

TEST_CASE("random-k: strata of two lengths: the bound is that of the longer") {
  // 7 strata of 14 or 15: all of x in a longer one.
  std::vector<float> x(100, 0.0f);
  const Strata strata{100, 7};
  CHECK(strata.longest() == 15);
  std::size_t j = 0;
  while (strata.begin(j + 1) - strata.begin(j) != 15) ++j;
  x[strata.begin(j) + 3] = 2;
  const Mean unbiased = relative_error(random_k(0.07, Form::unbiased), x, 20'000);
  CHECK(RandomK(0.07, Form::unbiased).contract(100) == Contract{Guarantee::unbiased, 14});
  CHECK(std::fabs(unbiased.mean - 14) < 5 * unbiased.standard_error);
  const Mean contractive = relative_error(random_k(0.07, Form::contractive), x, 20'000);
  CHECK(RandomK(0.07).contract(100).constant == doctest::Approx(1.0 / 15));
  CHECK(std::fabs(contractive.mean - 14.0 / 15) < 5 * contractive.standard_error);
}

TEST_CASE("random-k: contracts of other values") {
  using enum Guarantee;
  const auto contract = [](Form form, ValueFormat format) {
    return RandomK(0.1, form, value_coder(format)).contract(1000);
  };
  CHECK(contract(Form::contractive, ValueFormat::bfloat16) ==
        Contract{contractive, (1 - 0x1p-16) / 10});
  CHECK(contract(Form::contractive, ValueFormat::nested).constant == doctest::Approx(0.1 / 64));
  CHECK(contract(Form::contractive, ValueFormat::float16).guarantee == bounded);
  const Contract rounded = contract(Form::unbiased, ValueFormat::bfloat16);
  CHECK(rounded.guarantee == bounded);
  CHECK(rounded.constant == doctest::Approx(std::pow(3 + 0x1p-8 * std::sqrt(10), 2)));
  // (1 + ω₁)(1 + ω₂) - 1 with natural compression's 1/8.
  const auto natural = [] {
    return ValueCoder(ValueFormat::nested, std::make_unique<Promise>(Contract{unbiased, 0.125}));
  };
  CHECK(RandomK(0.1, Form::unbiased, natural()).contract(1000) == Contract{unbiased, 10.25});
  CHECK(RandomK(0.1, Form::contractive, natural()).contract(1000) == Contract{contractive, 0.0875});
  CHECK(RandomK(0.1).contract(0) == Contract{contractive, 1});
  CHECK(RandomK(0.1, Form::unbiased).contract(0) == Contract{unbiased, 0});
  CHECK(RandomK(1, Form::unbiased).contract(1000) == Contract{unbiased, 0});
}

TEST_CASE("random-k: bytes are a header and k values") {
  CHECK(RandomK(0.01).encoded_bytes_max(10'000) == 32 + 400);
  CHECK(RandomK(0.01, Form::contractive, value_coder(ValueFormat::bfloat16))
            .encoded_bytes_max(10'000) == 32 + 200);
  CHECK(RandomK(0.01).encoded_bytes_max(3) == 32 + 4);
  CHECK(RandomK(0.01).encoded_bytes_max(0) == 32);
  RandomK c(0.01);
  CHECK(encoded(c, normals(10'000, 1), 4).size() == 32 + 400);
}

TEST_CASE("random-k: everything is kept at ratio 1") {
  const std::vector<float> x = normals(1000, 5);
  for (const Form form : {Form::contractive, Form::unbiased}) {
    RandomK c(1, form);
    CHECK(decoded(c, encoded(c, x, 8), 1000) == x);
  }
}

TEST_CASE("random-k: messages of one key add up to the message of the sum") {
  RandomK c(0.1);
  const std::vector<float> a = normals(1000, 1), b = normals(1000, 2);
  std::vector<float> sum = a;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += b[i];
  std::vector<float> y = decoded(c, encoded(c, a, 77), 1000);
  REQUIRE(c.decode_add(encoded(c, b, 77), 1, y).ok());
  CHECK(y == decoded(c, encoded(c, sum, 77), 1000));
  CHECK(encoded(c, a, 77) == encoded(c, a, 77));
  CHECK(encoded(c, a, 77) != encoded(c, a, 78));
}

TEST_CASE("random-k: the fused residual is that of adding, encoding and decoding") {
  for (const ValueFormat format : {ValueFormat::float32, ValueFormat::bfloat16}) {
    for (const Form form : {Form::contractive, Form::unbiased}) {
      const auto c = random_k(0.1, form, format)(10'000);
      std::vector<float> e = normals(10'000, 1), g = normals(10'000, 2), plain = e;
      std::vector<std::byte> out(c->encoded_bytes_max(10'000)), plain_out = out;
      REQUIRE(c->encode_ef(e, g, 6, out).ok());
      REQUIRE(c->Compressor::encode_ef(plain, g, 6, plain_out).ok());
      CHECK(std::memcmp(e.data(), plain.data(), e.size() * 4) == 0);
      CHECK(out == plain_out);
    }
  }
}

TEST_CASE("random-k: the largest float stays finite when it is scaled") {
  RandomK c(0.1, Form::unbiased);
  const std::vector<float> x(1000, -std::numeric_limits<float>::max());
  const std::vector<float> y = decoded(c, encoded(c, x, 1), 1000);
  CHECK(std::ranges::count(y, -std::numeric_limits<float>::max()) == 100);
}

TEST_CASE("random-k: what is wrong is named") {
  RandomK c(0.1), other(0.2), scaled(0.1, Form::unbiased);
  std::vector<float> y(300);
  std::vector<std::byte> message = encoded(other, normals(300, 1), 0);
  CHECK(c.decode_add(message, 1, y).error().message == "header field count: found 60, expected 30");
  message = encoded(scaled, normals(300, 1), 0);
  CHECK(c.decode_add(message, 1, y).error().message == "header field flags: found 1, expected 0");
  message = encoded(c, normals(300, 1), 0);
  message.pop_back();
  CHECK(c.decode_add(message, 1, y).error().message == "value bytes: found 119, expected 120");
}
