#include "compress/variable_rate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "compress/bits.h"
#include "compress/counter_random.h"
#include "compress/kernels/quantize_uniform.h"
#include "guarded.h"
#include "properties.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

MakeOperator variable_rate(const VariableRateOptions& options) {
  return [=](std::size_t) { return std::make_unique<VariableRate>(options); };
}

constexpr std::size_t kLarge = 1 << 18;

double bits_per_coordinate(std::span<const std::byte> message, std::size_t d) {
  return 8.0 * static_cast<double>(message.size() - 32) / static_cast<double>(d);
}

struct Measured {
  double bits, error;  // bits a coordinate, ‖C(x) - x‖²/‖x‖²
};

Measured measure(const VariableRateOptions& options, float sigma) {
  std::vector<float> x = normals(kLarge, 17);
  for (float& value : x) value *= sigma;
  VariableRate c(options);
  const auto message = encoded(c, x, 3);
  return {bits_per_coordinate(message, kLarge),
          distance2(x, decoded(c, message, kLarge)) / norm2(x)};
}

double largest_error(std::span<const float> x, std::span<const float> y) {
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, std::fabs(double{x[i]} - double{y[i]}));
  }
  return worst;
}

}  // namespace

TEST_CASE("uniform quantisation: every instruction set computes the bits of the plain loop") {
  for_each_target([] {
    for (const std::size_t size : {0, 1, 15, 16, 17, 31, 32, 33, 64, 100, 4096}) {
      for (const std::size_t shift : {0, 1, 3}) {
        GuardedFloats x = guarded_normals(size, shift, 1);
        // Beyond the codes, at their end, and a tie.
        if (size > 8) std::ranges::copy(std::array{3e38f, -2e6f, 524288.0f, 0.75f}, &x.span()[2]);
        for (const bool stochastic : {false, true}) {
          const UniformStep step{0.5, stochastic, 77};
          std::vector<std::int32_t> codes(size), expected(size);
          quantize_uniform(x.span(), 4096, step, codes.data());
          ref::quantize_uniform(x.span(), 4096, step, expected.data());
          CHECK(codes == expected);
        }
      }
    }
  });
}

TEST_CASE("variable rate: the properties of every operator") {
  // Around blocks of 256 and chunks of 4096.
  std::vector<std::size_t> some = {0, 1, 15, 17, 256, 257, 4096, 4097};
  for (const RateRounding rounding : {RateRounding::nearest, RateRounding::companded}) {
    for (const float step : {0.01f, 3.0f}) {  // Rice codes and runs
      check_operator(variable_rate({.rounding = rounding, .step = step}), {.lengths = some});
    }
  }
  check_operator(variable_rate({.step = 0.3f, .target_bits = 3}), {.lengths = some});
  // At the ends of the floats.
  some = {1, 17, 300};
  for (const float step : {0x1p-149f, 0x1p-100f, 0x1p108f, 0x1p127f}) {
    check_operator(variable_rate({.step = step}), {.lengths = some});
    check_operator(variable_rate({.rounding = RateRounding::companded, .step = step}),
                   {.lengths = some});
  }
}

TEST_CASE("variable rate: cut, prolonged and flipped messages") {
  for (const RateRounding rounding :
       {RateRounding::stochastic, RateRounding::nearest, RateRounding::companded}) {
    // Raw blocks, Rice codes, runs.
    for (const float step : {1e-9f, 0.1f, 5.0f}) {
      check_hostile(variable_rate({.rounding = rounding, .step = step}), 600);
    }
    check_hostile(variable_rate({.rounding = rounding, .step = 0.1f}), 1);
    check_hostile(variable_rate({.rounding = rounding, .step = 0.1f}), 5000);
  }
}

TEST_CASE("variable rate: no message is longer than floats and fields, and one is as long") {
  constexpr std::size_t kSize = 5000;
  constexpr std::size_t kFields = 2 * 2 + 20 * 5;  // two chunks, twenty blocks
  VariableRate uniform({.step = 1});
  CHECK(uniform.encoded_bytes_max(kSize) == 32 + (kFields + 32 * kSize + 7) / 8);
  CHECK(uniform.encoded_bytes_max(0) == 32);
  const std::vector<float> far(kSize, 3e38f);
  CHECK(encoded(uniform, far, 0).size() == uniform.encoded_bytes_max(kSize));

  // With ω = 1/4 and η = 2^-100 the largest float is level 317: 10 bits of zig-zag, one of unary.
  VariableRate companded({.rounding = RateRounding::companded, .step = 0x1p-120f});
  CHECK(companded.encoded_bytes_max(kSize) == 32 + (kFields + 11 * kSize + 7) / 8);
  CHECK(encoded(companded, far, 0).size() == companded.encoded_bytes_max(kSize));
}

// Specification §1.13, the table: σ/Δ, the entropy and the relative error. Its codes (i) and (ii)
// need 1.08 bits or more throughout; Rice codes and runs stay within 7.5 % of the entropy.
TEST_CASE("variable rate: bits and errors of the specification's table") {
  struct Row {
    float sigma;
    double entropy, better_code, error;
  };
  for (const Row& row :
       {Row{0.05f, 0.28, 1.08, 15.0}, Row{0.1f, 0.48, 1.16, 7.0}, Row{0.3f, 1.03, 1.48, 1.66},
        Row{1, 2.16, 2.56, 0.167}, Row{3, 3.65, 4.35, 0.0185}, Row{10, 5.37, 6.57, 0.00167},
        Row{100, 8.69, 11.5, 1.7e-5}}) {
    CAPTURE(row.sigma);
    const Measured found = measure({.step = 1}, row.sigma);
    CHECK(found.bits < 1.075 * row.entropy);
    CHECK(found.bits > 0.98 * row.entropy);
    CHECK(found.bits < 0.91 * row.better_code);
    CHECK(found.error == doctest::Approx(row.error).epsilon(0.03));
  }
}

TEST_CASE("variable rate: companded levels cost fewer bits as the range grows") {
  const auto companded = [](float sigma) {
    return measure({.rounding = RateRounding::companded, .step = 1}, sigma);
  };
  const Measured ten = companded(10), hundred = companded(100);
  CHECK(ten.bits < 4.13);  // 3.50, entropy 3.04
  CHECK(ten.error == doctest::Approx(0.074).epsilon(0.03));
  CHECK(hundred.bits < 6.19);  // 4.87, entropy 3.84
  CHECK(hundred.error == doctest::Approx(0.044).epsilon(0.03));
}

// Nassif et al.: the average rate of a variable-rate quantiser stays bounded as the step of the
// algorithm, and with it the signal and η, goes to 0.
TEST_CASE("variable rate: bits stay constant where signal and step shrink together") {
  for (const RateRounding rounding :
       {RateRounding::stochastic, RateRounding::nearest, RateRounding::companded}) {
    const double bits = measure({.rounding = rounding, .step = 0.02f}, 0.08f).bits;
    CHECK(bits > 2);
    for (const float mu : {0.01f, 0.005f, 1e-4f, 1e-20f}) {
      CHECK(measure({.rounding = rounding, .step = mu}, 4 * mu).bits ==
            doctest::Approx(bits).epsilon(0.02));
    }
  }
}

TEST_CASE("variable rate: no coordinate is ever a step off") {
  for (const float sigma : {1e-3f, 1.0f, 1e3f, 3e5f, 1e6f, 1e9f}) {
    std::vector<float> x = heavy(100'000, 5);
    for (float& value : x) value *= sigma;
    CAPTURE(sigma);
    for (const float step : {1.0f, 0.7312f}) {
      VariableRate c({.step = step});
      CHECK(largest_error(x, decoded(c, encoded(c, x, 9), x.size())) < step);
      VariableRate nearest({.rounding = RateRounding::nearest, .step = step});
      // Half a step, and half an ulp of integers below 2^20.
      CHECK(largest_error(x, decoded(nearest, encoded(nearest, x, 9), x.size())) <
            step * (0.5 + 0x1p-4));
    }
  }
}

TEST_CASE("variable rate: stochastic and companded rounding are right on average") {
  constexpr std::size_t kSize = 4000, kRounds = 400;
  const std::vector<float> x = heavy(kSize, 6);
  for (const RateRounding rounding : {RateRounding::stochastic, RateRounding::companded}) {
    VariableRate c({.rounding = rounding, .step = 0.5f});
    std::vector<double> sum(kSize, 0.0);
    double error = 0;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      const std::vector<float> y = decoded(c, encoded(c, x, subkey(4, round)), kSize);
      for (std::size_t i = 0; i < kSize; ++i) sum[i] += double{y[i]} - double{x[i]};
      error += distance2(x, y) / kRounds;
    }
    const Contract contract = c.contract(kSize);
    CHECK(error < contract.constant * norm2(x) + contract.absolute);
    // The mean of each coordinate errs by 1/√rounds of its deviation: Σ mean² is error/rounds,
    // itself known to √(2/d).
    double of_mean = 0, total = 0;
    for (const double s : sum) {
      of_mean += s * s / (kRounds * kRounds);
      total += s / kRounds;
    }
    CHECK(of_mean < error / kRounds * (1 + 5 * std::sqrt(3.0 / kSize)));
    CHECK(std::fabs(total) < 5 * std::sqrt(error / kRounds));
  }
}

// (y_{m+1} - y_m)²/4 is at most (ω|x| + η)² inside each pair of levels; x half-way up a pair and
// elsewhere.
TEST_CASE("variable rate: companded variance is within (ω|x| + η)² at every coordinate") {
  for (const float omega : {0x1p-6f, 0.25f, 4.0f}) {
    const Levels levels(0.5f, omega);
    double worst = 0;
    for (std::size_t m = 0; m + 1 < levels.top(); ++m) {
      const double low = double{levels[m]}, high = double{levels[m + 1]};
      CHECK(low < high);
      for (const double part : {0.1, 0.3, 0.5, 0.7, 0.9}) {
        const double x = low + part * (high - low);
        worst = std::max(worst, (x - low) * (high - x) / std::pow(double{omega} * x + 0.5, 2));
      }
      CHECK(levels.below(levels[m]) == m);
      CHECK(levels.below(std::nextafter(levels[m + 1], 0.0f)) == m);
    }
    CHECK(worst < 1 + 1e-5);
    CHECK(levels.below(std::numeric_limits<float>::max()) == levels.top() - 1);
  }
}

TEST_CASE("variable rate: the average meets the target while inputs shrink") {
  for (const RateRounding rounding : {RateRounding::stochastic, RateRounding::companded}) {
    for (const float target : {1.5f, 3.0f, 6.0f}) {
      CAPTURE(target);
      VariableRate c({.rounding = rounding, .step = 1e-3f, .target_bits = target, .gain = 0.5f});
      std::vector<float> x = normals(20'000, 8);
      double bits = 0;
      for (int round = 0; round < 60; ++round) {
        const auto message = encoded(c, x, static_cast<std::uint64_t>(round));
        if (round >= 30) bits += bits_per_coordinate(message, x.size()) / 30;
        for (float& value : x) value *= 0.99f;
      }
      CHECK(bits == doctest::Approx(target).epsilon(0.02));
    }
  }
}

TEST_CASE("variable rate: zeros alone leave the step as it is, and a step may be set") {
  VariableRate c({.step = 0.5f, .target_bits = 4});
  const std::vector<float> zeros(1000, 0.0f);
  CHECK(encoded(c, zeros, 1).size() == 33);
  CHECK(c.step() == 0.5f);
  encoded(c, normals(1000, 1), 1);
  CHECK(c.step() < 0.5f);
  c.set_step(2);
  CHECK(c.contract(100) == Contract{Guarantee::bounded, 0, 100});
  c.set_step(0x1p-140f);
  CHECK(c.step() == 0x1p-100f);
}

TEST_CASE("variable rate: an outlier does not lengthen the rest of its block") {
  std::vector<float> x = normals(256, 2);
  VariableRate c({.step = 0.1f});
  const std::size_t before = encoded(c, x, 1).size();
  x[100] = 1e6f;
  CHECK(encoded(c, x, 1).size() <= before + 7);
  CHECK(decoded(c, encoded(c, x, 1), 256)[100] == 1e6f);
}

TEST_CASE("variable rate: refusals name the field") {
  VariableRate c({.step = 1}), companded({.rounding = RateRounding::companded, .step = 1});
  std::vector<float> y(100);
  auto message = encoded(c, normals(100, 1), 0);
  const auto sentence = [&](const VariableRate& by) {
    return by.decode_add(message, 1, y).error().message;
  };
  CHECK(sentence(companded) == "header field flags: found 0, expected 2");
  // Zeros are 2 bits of one byte.
  std::vector<std::byte> zeros = encoded(c, std::vector<float>(100, 0.0f), 0);
  zeros[32] |= std::byte{0x10};
  CHECK(c.decode_add(zeros, 1, y).error().message ==
        "bits behind the last: found some set, expected zeros");
  message[32] |= std::byte{3};
  CHECK(sentence(c) == "mode of a chunk: found 3, expected 0, 1 or 2");
  message[27] = std::byte{0};
  CHECK(sentence(c) == "step: found 1.1754944e-38, expected a finite number of at least 2^-100");
}

TEST_CASE("variable rate: integers beyond the levels or the codes are refused") {
  for (const RateRounding rounding : {RateRounding::stochastic, RateRounding::companded}) {
    VariableRate c({.rounding = rounding, .step = 1});
    std::vector<std::byte> message = encoded(c, std::vector<float>(1, 1.0f), 0);
    message.resize(32 + 7);
    BitWriter bits{std::span(message).subspan(32)};
    bits.put(0, 2);   // Rice codes
    bits.put(20, 5);  // b
    bits.put_unary(2);
    bits.put(7, 20);  // z = 2 · 2^20 + 7
    message.resize(32 + bits.finish());
    std::vector<float> y(1);
    const std::string most = rounding == RateRounding::companded ? "177" : "1048575";
    CHECK(c.decode_add(message, 1, y).error().message ==
          "magnitude of a code: found 1048580, expected at most " + most);
  }
}

// The start of the search alone keeps the bound; contents that would lead it astray.
TEST_CASE("variable rate: blocks of few large levels stay within the bound") {
  for (const std::size_t large : {1, 2, 5, 11, 16, 30, 64, 128, 200, 256}) {
    for (const float value : {1e3f, 1e20f, 3e38f}) {
      std::vector<float> x(256, 0.5f);
      std::fill_n(x.begin(), large, value);
      VariableRate c({.rounding = RateRounding::companded, .step = 0x1p-100f, .omega = 0x1p-6f});
      CHECK(encoded(c, x, 0).size() <= c.encoded_bytes_max(256));
      VariableRate uniform({.step = 1});
      CHECK(encoded(uniform, x, 0).size() <= uniform.encoded_bytes_max(256));
    }
  }
}
