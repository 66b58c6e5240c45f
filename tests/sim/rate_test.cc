// Messages that follow a budget, in whole flocks and virtual time.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "gossip/algorithms.h"
#include "runs.h"
#include "sim/invariants.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

using Overrides = std::vector<std::string>;

Overrides with(const std::string& algorithm, const Overrides& more) {
  Overrides all = {"gossip.algorithm=" + algorithm, "run.rounds=500"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}
Overrides top_k(const std::string& algorithm, const Overrides& more) {
  Overrides all = with(algorithm, {"compress.operator=top-k", "compress.ratio=0.002"});
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// Of a node: the mean over its links, or of that which costs most, as fits the budget.
double cost_of(const node::Progress& progress, bool tightest) {
  REQUIRE_FALSE(progress.rates.empty());
  double most = 0, sum = 0;
  for (const gossip::RateStatus& link : progress.rates) {
    REQUIRE(link.mean_cost);
    CHECK(std::isfinite(link.queue));
    most = std::max(most, *link.mean_cost);
    sum += *link.mean_cost;
  }
  return tightest ? most : sum / static_cast<double>(progress.rates.size());
}

// Of the node that is furthest from its budget.
double furthest_cost(const Simulation& simulation, bool tightest) {
  double furthest = 1;
  for (std::size_t i = 0; i < simulation.hosts(); ++i) {
    const double cost = cost_of(simulation.progress(node_id(i)), tightest);
    if (std::abs(cost - 1) > std::abs(furthest - 1)) furthest = cost;
  }
  return furthest;
}

}  // namespace

// Both families: what went over the links is what the budget says, by the counter of all bytes.
TEST_CASE("rate: five hundred rounds cost their budget, over edges and in a mesh") {
  for (const Overrides& overrides :
       {top_k("choco", {"rate.bytes_per_round=700"}),
        top_k("choco", {"rate.bytes_per_round=700", "rate.controller=drift"}),
        top_k("choco", {"rate.bytes_per_round=900", "compress.scope=tensor"}),
        top_k("def-atc", {"rate.bytes_per_round=700"}),
        top_k("beer", {"rate.bytes_per_round=1400", "train.learning_rate=0.01"}),
        with("choco", {"compress.operator=quantize", "compress.bits=2", "compress.rounding=nearest",
                       "rate.bytes_per_round=1500"}),
        top_k("econtrol", {"rate.bytes_per_round=700", "topology.kind=complete"}),
        top_k("ef-sgd", {"rate.bytes_per_round=3000", "topology.kind=complete"})}) {
    CAPTURE(overrides.back());
    const node::Run run = digits(overrides);
    Simulation simulation(run, {});
    simulation.run();
    CHECK_FALSE(simulation.failure());
    const double cost = furthest_cost(simulation, false);
    MESSAGE(std::string(gossip::name_of(run.config.gossip.algorithm))
            << ", " << overrides.back() << ": mean cost " << cost);
    CHECK(std::abs(cost - 1) < 0.02);
    const node::Progress n0 = simulation.progress(node_id(0));
    const double budget = static_cast<double>(run.config.rate.bytes_per_round);
    const double sent =
        static_cast<double>(n0.sent_bytes) / 500 / static_cast<double>(n0.rates.size());
    CHECK(std::abs(sent / budget - 1) < 0.02);
  }
}

// Specification §4, with the bandwidth that the simulator's links have: steps, a sine, an outage.
TEST_CASE("rate: a budget in seconds follows the bandwidth of the links") {
  constexpr double kBytesPerSecond = 20000;
  std::vector<BandwidthChange> steps, sine, outage;
  for (int i = 0; i < 200; ++i) {
    const Time at = i * 500ms;
    steps.push_back({at, i / 10 % 2 == 0 ? 1.0 : 0.4});
    sine.push_back({at, 1 + 0.7 * std::sin(i * 0.3)});
  }
  outage = {{0s, 1}, {15s, 0.1}, {17s, 1}};
  for (const auto& [name, trace] :
       {std::pair{std::string("steps"), steps}, std::pair{std::string("sine"), sine},
        std::pair{std::string("outage"), outage}}) {
    const node::Run run =
        digits(top_k("choco", {"rate.seconds_per_round=0.04", "rate.controller=drift"}));
    Simulation simulation(run, {.link = {.delay = 5ms, .bytes_per_second = 2 * kBytesPerSecond},
                                .bandwidth = trace,
                                .step = 20ms});
    simulation.run();
    CHECK_FALSE(simulation.failure());
    const double cost = furthest_cost(simulation, true);
    MESSAGE(name << ": mean cost " << cost << " after " << seconds(simulation.now())
                 << " s of virtual time");
    CHECK(std::abs(cost - 1) < 0.02);
  }
}

TEST_CASE("rate: bytes a day are what goes in the time that passes") {
  // 4 kB a second; a round takes some 0.1 s.
  const node::Run run =
      digits(top_k("choco", {"rate.bytes_per_day=345600000", "rate.controller=drift"}));
  Simulation simulation(run, {.link = {.delay = 10ms}, .step = 90ms});
  simulation.run();
  const node::Progress n0 = simulation.progress(node_id(0));
  const double a_second = static_cast<double>(n0.sent_bytes) / seconds(simulation.now());
  CHECK(std::abs(a_second / static_cast<double>(n0.rates.size()) / 4000 - 1) < 0.02);
}

// A schedule of the learning rate moves bytes about within a run, never from one day to another.
TEST_CASE("rate: bytes a day are no more in the days of long steps") {
  const node::Run run =
      digits(top_k("choco", {"rate.bytes_per_day=345600000", "rate.controller=adaptive-top-k",
                             "train.schedule=cosine"}));
  Simulation simulation(run, {.link = {.delay = 10ms}, .step = 90ms});
  double a_second = 0;
  simulation.observe([&](NodeId node, Time now, const node::Progress& progress) {
    if (node != node_id(0) || progress.rounds_done != 200) return;
    a_second = static_cast<double>(progress.sent_bytes) / seconds(now) / 2;
  });
  simulation.run();
  REQUIRE(simulation.progress(node_id(0)).rates.size() == 2);
  MESSAGE("bytes a second of 4000 after 200 rounds: " << a_second);
  CHECK(std::abs(a_second / 4000 - 1) < 0.15);
}

// Edges commit at both ends or at neither whatever the level (specification of gossip, §0).
TEST_CASE("rate: levels that change do not break an edge that loses messages") {
  const node::Run run = digits(top_k("choco", {"rate.bytes_per_round=700", "run.rounds=150"}));
  Simulation simulation(run, {.link = {.delay = 1ms}, .step = 2ms, .loss = 0.05});
  Invariants invariants(run, simulation);
  simulation.run();
  CHECK_FALSE(simulation.failure());
  CHECK_FALSE(invariants.broken());
}
