#include "compress/induced.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "compress/counter_random.h"
#include "compress/header.h"
#include "compress/identity.h"
#include "compress/low_rank.h"
#include "compress/random_k.h"
#include "compress/sign.h"
#include "compress/top_k.h"
#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

// Four times each coordinate or, three times in four, 0: unbiased with ω = 3.
class Coin final : public Compressor {
 public:
  Contract contract(std::size_t) const override { return {Guarantee::unbiased, 3}; }
  std::size_t encoded_bytes_max(std::size_t d) const override {
    return identity_.encoded_bytes_max(d);
  }
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override {
    constexpr float kMost = std::numeric_limits<float>::max();
    std::vector<float> tossed(x.begin(), x.end());
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!std::isfinite(x[i])) continue;
      tossed[i] = random_half(key, i) % 4 == 0 ? std::clamp(4 * x[i], -kMost, kMost) : 0.0f;
    }
    return identity_.encode(tossed, key, out);
  }
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override {
    return identity_.decode_add(bytes, scale, y);
  }

 private:
  Identity identity_;
};

std::unique_ptr<Induced> sign_and_coin(std::size_t /*d*/) {
  return std::make_unique<Induced>(std::make_unique<Sign>(Norm::l1, 512), std::make_unique<Coin>());
}

struct Average {
  double error = 0, standard = 0;  // ‖C(x) - x‖²/‖x‖² and its standard error
  double of_mean = 0;              // ‖mean of C(x) - x‖²/‖x‖²
};

Average average(Compressor& c, std::span<const float> x, std::size_t rounds) {
  std::vector<double> sum(x.size(), 0.0);
  Average result;
  double square = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::vector<float> y = decoded(c, encoded(c, x, subkey(31, round)), x.size());
    for (std::size_t i = 0; i < x.size(); ++i) sum[i] += double{y[i]} - double{x[i]};
    const double error = distance2(x, y) / norm2(x);
    result.error += error / static_cast<double>(rounds);
    square += error * error / static_cast<double>(rounds);
  }
  result.standard = std::sqrt((square - result.error * result.error) / static_cast<double>(rounds));
  for (const double s : sum) result.of_mean += std::pow(s / static_cast<double>(rounds), 2);
  result.of_mean /= norm2(x);
  return result;
}

}  // namespace

TEST_CASE("induced: the properties of every operator") {
  check_operator(sign_and_coin, {.lengths = {0, 1, 15, 16, 17, 511, 512, 513, 10'000}});
}

TEST_CASE("induced: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 13, 512, 1000}) check_hostile(sign_and_coin, d);
}

TEST_CASE("induced: bytes are those of the two messages, a length and a header") {
  const auto c = sign_and_coin(1000);
  const std::size_t sign = 32 + 2 * 4 + 125, coin = 32 + 4000;
  CHECK(c->encoded_bytes_max(1000) == 32 + 4 + sign + coin);
  CHECK(encoded(*c, normals(1000, 1), 0).size() == c->encoded_bytes_max(1000));
}

// Horváth and Richtárik 2020, Theorem 3; specification §1.14: ω̂ is ω₂‖x - C₁(x)‖²/‖x‖², at most
// ω₂(1 - δ₁).
TEST_CASE("induced: unbiased, with the error of the second on what the first left") {
  constexpr std::size_t kSize = 512, kRounds = 2000;
  const std::vector<float> x = heavy(kSize, 3);
  Sign sign(Norm::l1, 512);
  const double left = distance2(x, decoded(sign, encoded(sign, x, 0), kSize)) / norm2(x);
  const auto c = sign_and_coin(kSize);
  const Average found = average(*c, x, kRounds);
  CHECK(left < 0.6);
  CHECK(std::fabs(found.error - 3 * left) < 5 * found.standard);
  CHECK(found.error < c->contract(kSize).constant);
  CHECK(c->contract(kSize) == Contract{Guarantee::unbiased, 3 * (1 - 1.0 / 512)});
  CHECK(found.of_mean < 1.5 * found.error / kRounds);
}

// Specification §1.14, the caution: with 0.53 of the energy outside the largest 1 %, Top-20 and
// Random-20 of 2000 have ω 52.9, more than the 49 of Random-40, which costs about the same.
TEST_CASE("induced: Top-K and Random-K pay off only where the tail is short") {
  constexpr std::size_t kSize = 2000, kRounds = 4000;
  std::vector<float> x = normals(kSize, 12);
  const std::vector<float> s = normals(kSize, 13);
  for (std::size_t i = 0; i < kSize; ++i) x[i] *= std::exp(1.15f * s[i]);
  TopK top(0.01);
  const double tail = distance2(x, decoded(top, encoded(top, x, 0), kSize)) / norm2(x);
  CHECK(tail == doctest::Approx(0.53).epsilon(0.02));

  Induced c(std::make_unique<TopK>(0.01), std::make_unique<RandomK>(0.01, RandomK::Form::unbiased));
  const Average found = average(c, x, kRounds);
  CHECK(std::fabs(found.error - 99 * tail) < 5 * found.standard);
  CHECK(found.error == doctest::Approx(52.9).epsilon(0.04));
  CHECK(found.error <= c.contract(kSize).constant);
  CHECK(c.contract(kSize).constant == doctest::Approx(99 * 0.99));
  CHECK(RandomK(0.02, RandomK::Form::unbiased).contract(kSize).constant == 49);
  CHECK(found.of_mean < 1.5 * found.error / kRounds);
}

TEST_CASE("induced: Top-K and Random-K keep the properties of every operator") {
  const auto make = [](std::size_t) {
    return std::make_unique<Induced>(std::make_unique<TopK>(0.05),
                                     std::make_unique<RandomK>(0.05, RandomK::Form::unbiased));
  };
  check_operator(make, {.lengths = {0, 1, 15, 16, 17, 511, 512, 513, 10'000}});
  for (const std::size_t d : {1, 13, 512, 1000}) check_hostile(make, d);
}

// With one key for both, the second would choose what the first has sent already.
TEST_CASE("induced: two parts that draw at random draw apart") {
  constexpr std::size_t kSize = 200, kRounds = 2000;
  const std::vector<float> x = heavy(kSize, 6);
  Induced c(std::make_unique<RandomK>(0.2),
            std::make_unique<RandomK>(0.2, RandomK::Form::unbiased));
  const Average found = average(c, x, kRounds);
  CHECK(c.contract(kSize).constant == doctest::Approx(4 * 0.8));
  CHECK(found.error == doctest::Approx(4 * 0.8).epsilon(0.1));
  // 1 ± 0.4 of it over 300 sets of keys, 4.4 at most: few coordinates are large. Biased: thousands.
  CHECK(found.of_mean < 6 * found.error / kRounds);
}

TEST_CASE("induced: the history of the first goes on from call to call") {
  const MatrixShape shape{20, 15};
  const auto make = [=] { return std::make_unique<LowRank>(shape, 2, 3); };
  Induced c(make(), std::make_unique<Coin>());
  const auto alone = make();
  const std::vector<float> x = normals(shape.size(), 4);
  for (std::uint64_t round = 0; round < 3; ++round) {
    const auto message = encoded(c, x, 7);
    const auto first = encoded(*alone, x, subkey(7, 0));
    REQUIRE(load<std::uint32_t>(message.data() + 32) == first.size());
    CHECK(std::equal(first.begin(), first.end(), message.begin() + 36));
  }
}

TEST_CASE("induced: a first part beyond the floats saturates and is not refused") {
  constexpr float kMost = std::numeric_limits<float>::max();
  for (std::uint64_t key = 0; key < 20; ++key) {
    std::vector<float> x = normals(64, key);
    for (float& value : x) value = std::copysign(kMost, value);
    Induced c(std::make_unique<LowRank>(MatrixShape{8, 8}, 2, key), std::make_unique<Coin>());
    for (const float value : decoded(c, encoded(c, x, key), 64)) REQUIRE(std::isfinite(value));
  }
}

TEST_CASE("induced: a refusal names the part, and leaves y though the first part was good") {
  const auto c = sign_and_coin(100);
  std::vector<std::byte> message = encoded(*c, normals(100, 1), 0);
  const std::vector<float> before = normals(100, 2);
  std::vector<float> y = before;
  const auto sentence = [&] { return c->decode_add(message, 1, y).error().message; };
  const std::size_t second = 36 + load<std::uint32_t>(message.data() + 32);
  message[second] = std::byte{7};
  CHECK(sentence() == "second part: header field op: found 7 (sign), expected 1 (identity)");
  message[36] = std::byte{1};
  CHECK(sentence() == "first part: header field op: found 1 (identity), expected 7 (sign)");
  store(std::uint32_t{481 + 1}, message.data() + 32);
  CHECK(sentence() == "length of part 0: found 482, expected at most 481");
  CHECK(y == before);
}
