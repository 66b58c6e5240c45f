#include "compress/rated.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "compress/assembly.h"
#include "compress/header.h"
#include "compress/layer_plan.h"
#include "properties.h"
#include "protocol/random.h"
#include "tests/support/rated_alone.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

constexpr std::uint64_t kBytes = 1000;  // a round

std::unique_ptr<Compressor> sparse(std::size_t /*d*/) {
  return std::make_unique<RatedAlone>(make_top_k_ladder(0.01, SparseCoder()), kBytes);
}
std::unique_ptr<Compressor> coarse(std::size_t /*d*/) {
  return std::make_unique<RatedAlone>(make_quantize_ladder({.bits = 2}), kBytes);
}

double total(const std::vector<std::vector<LevelCost>>& parts,
             const std::vector<std::size_t>& levels, double LevelCost::*what) {
  double sum = 0;
  for (std::size_t p = 0; p < parts.size(); ++p) sum += parts[p][levels[p]].*what;
  return sum;
}

// Every combination.
double least_error(const std::vector<std::vector<LevelCost>>& parts, double bytes,
                   std::size_t part = 0) {
  if (part == parts.size()) return 0;
  double least = std::numeric_limits<double>::infinity();
  for (const LevelCost& level : parts[part]) {
    if (level.bytes > bytes) continue;
    least = std::min(least, level.error + least_error(parts, bytes - level.bytes, part + 1));
  }
  return least;
}

}  // namespace

TEST_CASE("rated: is an operator at whatever level it is") {
  check_operator(sparse);
  check_operator(coarse);
  for (const std::size_t d : {1, 100, 3000}) {
    check_hostile(sparse, d);
    check_hostile(coarse, d);
  }
}

TEST_CASE("rated: a level that does not exist, or another ladder's, is refused by name") {
  RatedAlone rated(make_quantize_ladder({.bits = 2}), kBytes);
  const std::vector<float> x = normals(300, 1);
  std::vector<std::byte> message = encoded(rated, x, 1);
  std::vector<float> y(300);
  const std::uint16_t level = 3;
  std::memcpy(message.data() + 2, &level, sizeof level);
  CHECK(rated.decode_add(message, 1, y).error().message ==
        "header field param (the level): found 3, expected at most 2");
  const RatedAlone shorter(make_quantize_ladder({.bits = 4}), kBytes);
  CHECK(shorter.decode_add(encoded(rated, x, 1), 1, y).error().message ==
        "header field count: found 3, expected 2");
}

TEST_CASE("ladder: what a level is expected to leave is what it leaves") {
  for (const std::size_t d : {1000, 60000, 300000}) {
    const std::vector<float> x = heavy(d, 3);
    for (int kind = 0; kind < 2; ++kind) {
      const auto ladder =
          kind == 0 ? make_top_k_ladder(0.01, SparseCoder()) : make_quantize_ladder({.bits = 2});
      std::vector<double> errors(ladder->levels());
      ladder->errors(x, errors);
      for (std::size_t l = 0; l < errors.size(); l += kind == 0 ? 5 : 1) {
        std::vector<std::byte> out(ladder->bytes_max(l, d));
        const std::size_t used = ladder->encode(l, x, 9, out).value();
        std::vector<float> y(d);
        REQUIRE(ladder->decode_add(l, std::span(out).first(used), 1, y).ok());
        CAPTURE(d);
        CAPTURE(l);
        CHECK(errors[l] == doctest::Approx(distance2(x, y)).epsilon(0.1));
      }
    }
  }
}

TEST_CASE("ladder: each level sends more than the one below and leaves less") {
  const std::vector<float> x = heavy(20000, 3);
  for (const auto& ladder :
       {make_top_k_ladder(0.001, SparseCoder()), make_quantize_ladder({.bits = 2})}) {
    std::vector<double> errors(ladder->levels());
    ladder->errors(x, errors);
    for (std::size_t l = 1; l < errors.size(); ++l) {
      CHECK(errors[l] < errors[l - 1]);
      CHECK(ladder->bytes_max(l, x.size()) > ladder->bytes_max(l - 1, x.size()));
    }
  }
}

// L-GreCo (Markov et al. 2022): the optimum, not a greedy choice.
TEST_CASE("layers: the plan is as good as the best of all combinations") {
  const Random random(1, Stream::compression, {5});
  std::uint64_t draw = 0;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<std::vector<LevelCost>> parts(1 + random.below(draw++, 4));
    double lowest = 0;
    for (auto& part : parts) {
      for (std::size_t l = 0; l < 4; ++l) {
        part.push_back({.bytes = static_cast<double>(1 + random.below(draw++, 64)),
                        .error = random.uniform(draw++)});
      }
      lowest += part.front().bytes;
    }
    const double bytes = 128;  // a step is 1/32 byte: nothing is lost to rounding
    const auto levels = least_error_levels(parts, bytes);
    const double best = least_error(parts, bytes);
    if (!std::isfinite(best)) {
      CHECK(levels == std::vector<std::size_t>(parts.size(), 0));
      continue;
    }
    CHECK(total(parts, levels, &LevelCost::bytes) <= bytes);
    CHECK(total(parts, levels, &LevelCost::error) == doctest::Approx(best));
  }
}

TEST_CASE("layers: a budget below the lowest levels gets those") {
  const std::vector<std::vector<LevelCost>> parts{{{10, 2}, {20, 1}}, {}, {{10, 2}, {20, 1}}};
  CHECK(least_error_levels(parts, 19) == std::vector<std::size_t>{0, 0, 0});
  CHECK(least_error_levels(parts, 0) == std::vector<std::size_t>{0, 0, 0});
  CHECK(least_error_levels(parts, std::nan("")) == std::vector<std::size_t>{0, 0, 0});
  CHECK(least_error_levels(parts, 40) == std::vector<std::size_t>{1, 0, 1});
}

// A tensor with most of the energy gets most of the bytes, where an even share would waste them.
TEST_CASE("layers: bytes go to the tensors whose error they lower most") {
  TensorLayout layout;
  layout.add("loud", {100, 100});
  layout.add("quiet", {100, 100});
  OperatorOptions options{.kind = OperatorKind::top_k, .scope = Scope::tensor, .ratio = 0.002};
  std::vector<float> x = heavy(layout.size(), 4);
  for (std::size_t i = 10000; i < x.size(); ++i) x[i] *= 0.01f;
  const auto error_by = [&](RateController controller) {
    Budget budget({.bytes_per_round = 3000}, controller, 1, {.rounds = 300});
    const auto made = make_rated(options, layout, 1, {.budget = budget}).value();
    double error = 0;
    for (std::uint64_t r = 0; r < 300; ++r) {
      budget.begin_round(r, Time{0});
      const auto message = encoded(*made, x, r);
      budget.sent(0, message.size());
      budget.end_round();
      error = distance2(decoded(*made, message, x.size()), x);
    }
    CHECK(*budget.mean_cost(0) < 1.05);
    return error;
  };
  const double planned = error_by(RateController::layers), priced = error_by(RateController::drift);
  CHECK(planned < 0.6 * norm2(x));
  CHECK(planned == doctest::Approx(priced).epsilon(0.1));
}
