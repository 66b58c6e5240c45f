// The controllers against traces of bandwidth: no clock, no link, no training.
#include "compress/budget.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "compress/ladder.h"
#include "compress/rated.h"
#include "properties.h"
#include "protocol/memory_state.h"
#include "tests/support/effort.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

constexpr std::size_t kFloats = 20000;
constexpr std::size_t kRounds = 500;
constexpr double kBandwidth = 1e5;  // bytes a second; 0.02 s of it are 2000 bytes, some 2 %

std::unique_ptr<Ladder> top_k() {
  return make_top_k_ladder(0.0005, SparseCoder(ValueFormat::bfloat16));
}
std::unique_ptr<Ladder> quantize() { return make_quantize_ladder({.bits = 2}); }

// What a trainer might send: as long as `norm`, with heavy tails.
using Norm = std::function<double(std::size_t round)>;
using Bandwidth = std::function<double(std::size_t round)>;

struct Course {
  double mean_cost = 0, error = 0, longest_queue = 0, mean_queue = 0;
  bool finite = true;
};

// A node with one link, round by round.
class Node {
 public:
  Node(std::unique_ptr<Ladder> ladder, const RateOptions& options, RateController controller,
       const RatePlan& plan = {})
      : budget_(options, controller, 1, {.rounds = kRounds, .plan = plan}),
        rated_(std::move(ladder), budget_, {}),
        out_(rated_.encoded_bytes_max(kFloats)) {}

  // ‖C(x) - x‖² of a vector like those of training.
  double round(std::size_t r, double norm, double bandwidth) {
    std::vector<float> x = heavy(kFloats, 1000 + r);
    for (float& value : x) value *= static_cast<float>(norm);
    budget_.measured(0, bandwidth);
    budget_.begin_round(r, now_);
    const std::size_t used = rated_.encode(x, r, out_).value();
    bytes_ = used;
    budget_.sent(0, used);
    budget_.end_round();
    const std::vector<float> sent = decoded(rated_, std::span(out_).first(used), kFloats);
    now_ += std::chrono::milliseconds(100);
    return distance2(sent, x);
  }

  Course run(const Norm& norm, const Bandwidth& bandwidth) {
    Course course;
    for (std::size_t r = 0; r < kRounds; ++r) {
      course.error += round(r, norm(r), bandwidth(r));
      course.finite = course.finite && std::isfinite(budget_.queue(0));
      course.longest_queue = std::max(course.longest_queue, std::abs(budget_.queue(0)));
      course.mean_queue += budget_.queue(0) / kRounds;
    }
    course.mean_cost = budget_.mean_cost(0).value();
    return course;
  }

  Budget& budget() { return budget_; }
  Rated& rated() { return rated_; }
  std::size_t bytes() const { return bytes_; }

 private:
  Budget budget_;
  Rated rated_;
  std::vector<std::byte> out_;
  std::size_t bytes_ = 0;
  Time now_{0};
};

double steps(std::size_t r) { return r / 125 % 2 == 0 ? kBandwidth : kBandwidth / 3; }
double sine(std::size_t r) {
  return kBandwidth * (1 + 0.8 * std::sin(2 * M_PI * static_cast<double>(r) / 60));
}
double outage(std::size_t r) { return r >= 200 && r < 230 ? kBandwidth / 20 : kBandwidth; }
// Where not even the lowest level of a quantiser fits into twentieths.
double dip(std::size_t r) { return r >= 200 && r < 230 ? kBandwidth / 4 : kBandwidth; }
double calm(std::size_t /*r*/) { return 1; }
// Differences fall, with bursts.
double training(std::size_t r) {
  const double fall = std::exp(-static_cast<double>(r) / 150);
  return r % 40 < 4 ? 4 * fall : fall;
}

constexpr double kSeconds = 0.02;

}  // namespace

// Specification §4: "average cost -> c within 2 % over 500 rounds for steps/sine/outage bandwidth
// traces; Z bounded".
TEST_CASE("budget: drift keeps the average within 2 % while the bandwidth changes" *
          in_release_only) {
  for (const auto& [name, trace] :
       {std::pair{std::string("steps"), &steps}, std::pair{std::string("sine"), &sine},
        std::pair{std::string("outage"), &outage}}) {
    for (const auto& [kind, norm] : {std::pair{std::string("calm"), Norm(calm)},
                                     std::pair{std::string("training"), Norm(training)}}) {
      Node node(top_k(), {.seconds_per_round = kSeconds}, RateController::drift);
      const Course course = node.run(norm, trace);
      INFO(name << ", " << kind << ": cost " << course.mean_cost << ", queue up to "
                << course.longest_queue);
      MESSAGE(name << ", " << kind << ": mean cost " << course.mean_cost << ", longest queue "
                   << course.longest_queue);
      CHECK(std::abs(course.mean_cost - 1) < 0.02);
      CHECK(course.longest_queue < 60);
      CHECK(course.finite);
    }
  }
}

TEST_CASE("budget: a quantiser keeps the average, too, by changing its bits" * in_release_only) {
  // Between 2 bits (5.2 kB) and 8 bits (20 kB).
  for (const auto& [name, trace] :
       {std::pair{std::string("steps"), &steps}, std::pair{std::string("sine"), &sine},
        std::pair{std::string("dip"), &dip}}) {
    Node node(quantize(), {.seconds_per_round = 0.2}, RateController::drift);
    const Course course = node.run(calm, trace);
    MESSAGE(name << ": mean cost " << course.mean_cost << ", longest queue "
                 << course.longest_queue);
    CHECK(std::abs(course.mean_cost - 1) < 0.02);
    CHECK(course.longest_queue < 60);
  }
}

TEST_CASE("budget: the adaptive controller spends the total, and layers do" * in_release_only) {
  for (const RateController controller : {RateController::adaptive_top_k, RateController::layers}) {
    for (const auto& [kind, norm] : {std::pair{std::string("calm"), Norm(calm)},
                                     std::pair{std::string("training"), Norm(training)}}) {
      Node node(top_k(), {.bytes_per_round = 2000}, controller);
      const Course course = node.run(norm, steps);
      MESSAGE(name_of(controller) << ", " << kind << ": mean cost " << course.mean_cost);
      CHECK(std::abs(course.mean_cost - 1) < 0.02);
    }
  }
}

// §3: the sum of the errors under the total is least where the price is the same in every round.
TEST_CASE("budget: at equal bytes an even price leaves less error than an even size" *
          in_release_only) {
  Node even(top_k(), {.bytes_per_round = 2000}, RateController::layers);
  Node price(top_k(), {.bytes_per_round = 2000}, RateController::adaptive_top_k);
  const Course a = even.run(training, calm), b = price.run(training, calm);
  MESSAGE("constant size: error " << a.error << " at " << a.mean_cost << "; even price: " << b.error
                                  << " at " << b.mean_cost);
  CHECK(b.error < 0.95 * a.error);
  CHECK(std::abs(b.mean_cost - 1) < 0.01);
}

// §3, with w = 1/η: what a schedule of the learning rate makes of that is planned.
TEST_CASE("budget: with a learning rate that falls bytes go where steps are long" *
          in_release_only) {
  std::vector<double> rates;
  for (std::size_t r = 0; r < kRounds; ++r) {
    rates.push_back((1 + std::cos(M_PI * static_cast<double>(r) / kRounds)) / 2);
  }
  double error[2] = {}, bytes[2] = {};
  for (const bool plans : {false, true}) {
    // Without a plan the late rounds leave some of it over.
    const std::uint64_t budget = plans ? 2000 : 2180;
    Node node(top_k(), {.bytes_per_round = budget}, RateController::adaptive_top_k,
              plans ? RatePlan(rates, 0.1) : RatePlan());
    for (std::size_t r = 0; r < kRounds; ++r) {
      node.budget().set_learning_rate(rates[r]);
      error[plans] += node.round(r, rates[r], kBandwidth) / std::max(rates[r], 0.01);
      bytes[plans] += static_cast<double>(node.bytes()) / kRounds;
    }
  }
  MESSAGE("w · error " << error[0] << " at " << bytes[0] << " bytes a round without a plan, "
                       << error[1] << " at " << bytes[1] << " with one");
  CHECK(error[1] < 0.98 * error[0]);
  CHECK(bytes[1] < 1.001 * bytes[0]);
  CHECK(std::abs(bytes[1] / 2000 - 1) < 0.02);
}

// §4: "monotone: larger V => lower error, larger queue".
TEST_CASE("budget: more patience leaves less error and has a longer queue" * in_release_only) {
  double error = std::numeric_limits<double>::infinity(), queue = 0;
  for (const double patience : {3.0, 12.0, 48.0}) {
    Node node(top_k(), {.bytes_per_round = 2000, .patience = patience}, RateController::drift);
    const Course course = node.run([](std::size_t r) { return r % 20 < 2 ? 6.0 : 1.0; }, calm);
    MESSAGE("V = " << patience << ": error " << course.error << ", mean queue " << course.mean_queue
                   << ", cost " << course.mean_cost);
    CHECK(course.error < error);
    CHECK(course.mean_queue > queue);
    error = course.error;
    queue = course.mean_queue;
  }
}

TEST_CASE("budget: zeros cost the lowest level, are no NaN and are forgotten") {
  Node node(top_k(), {.bytes_per_round = 2000}, RateController::drift);
  const Course nothing = node.run([](std::size_t) { return 0.0; }, calm);
  CHECK(nothing.finite);
  CHECK(nothing.error == 0);
  CHECK(node.rated().level() == 0);
  for (std::size_t r = 0; r < 100; ++r) node.round(r, 1, 1);
  CHECK(std::isfinite(node.budget().queue(0)));
  CHECK(node.bytes() < 4000);
  CHECK(node.bytes() > 1000);
}

TEST_CASE("budget: in seconds, nothing but the lowest level goes before a link was measured") {
  Budget budget({.seconds_per_round = 1}, RateController::drift, 2, {.rounds = 10});
  CHECK_FALSE(budget.even_bytes());
  budget.measured(1, std::numeric_limits<double>::quiet_NaN());
  budget.measured(1, 0);
  CHECK_FALSE(budget.even_bytes());
  budget.measured(0, 5000);
  CHECK(*budget.even_bytes() == 5000);
}

TEST_CASE("budget: a message for all goes by the tightest link, and by those that are in use") {
  Budget budget({.seconds_per_round = 1}, RateController::drift, 3, {.rounds = 10});
  budget.measured(0, 9000);
  budget.measured(1, 300);
  budget.measured(2, 7000);
  CHECK(*budget.even_bytes() == 300);
  budget.sent(0, 100);
  budget.sent(2, 100);
  budget.end_round();  // link 1 is down
  CHECK(*budget.even_bytes() == 7000);
  CHECK_FALSE(budget.mean_cost(1));
}

TEST_CASE("budget: bytes a day are worth the time that has passed") {
  // 864 kB a day are 10 bytes a second.
  Budget budget({.bytes_per_day = 864000}, RateController::drift, 1, {.rounds = 1000});
  budget.begin_round(0, Time{0});
  CHECK_FALSE(budget.even_bytes());
  for (int r = 1; r <= 200; ++r) {
    budget.sent(0, 500);
    budget.end_round();
    budget.begin_round(static_cast<std::uint64_t>(r), std::chrono::seconds{50 * r});
    CHECK(*budget.even_bytes() == doctest::Approx(500));
  }
  CHECK(*budget.mean_cost(0) == doctest::Approx(1));
}

TEST_CASE("budget: a saved one goes on bit for bit, and a link that is new begins") {
  Node before(top_k(), {.bytes_per_round = 2000}, RateController::drift);
  before.run(training, calm);
  MemoryState state;
  {
    Archive saving(static_cast<StateWriter&>(state));
    before.budget().archive(saving, {7});
    before.rated().archive(saving);
  }
  Node after(top_k(), {.bytes_per_round = 2000}, RateController::drift);
  Archive loading(static_cast<const StateReader&>(state));
  after.budget().archive(loading, {7});
  after.rated().archive(loading);
  REQUIRE(loading.done().ok());
  for (std::size_t r = 0; r < 20; ++r) {
    CHECK(before.round(r, 1, 1) == after.round(r, 1, 1));
    CHECK(before.bytes() == after.bytes());
    CHECK(before.budget().queue(0) == after.budget().queue(0));
  }
}
