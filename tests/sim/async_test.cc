// Flocks whose nodes do not wait for each other.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <map>
#include <tuple>

#include "sim/adversary.h"
#include "sim/invariants.h"
#include "tests/sim/runs.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Every method that runs asynchronously, with messages that lose something.
const std::map<std::string, Words> kMethods = {
    {"d-psgd", {}},
    {"powergossip", {"gossip.iterations=1"}},
    {"choco", {"compress.operator=top-k", "compress.ratio=0.25"}},
    {"def-atc", {"compress.operator=sign"}},
    {"actc", {"compress.operator=quantize", "compress.bits=8"}},
    {"deepsqueeze", {"compress.operator=quantize", "compress.bits=8"}},
    {"ad-psgd", {}},
};

Words async(const std::string& algorithm) {
  return Words{"gossip.mode=async", "gossip.algorithm=" + algorithm} + kMethods.at(algorithm);
}

// Messages take two to four steps, and no two as long.
const SimulationOptions kUneven = {.link = {.delay = 1500us, .jitter = 2ms}, .step = 1ms};

// Fails where an invariant breaks; the sum of the models is one of them.
double relative_error(const Words& words, const SimulationOptions& options) {
  const node::Run run = quadratic(words);
  Simulation simulation(run, options);
  Invariants invariants(run, simulation);
  simulation.run();
  invariants.check_end(Time::max());
  INFO(invariants.last_events());
  CHECK_MESSAGE(!invariants.broken(), invariants.broken().value_or(""));
  return *simulation.report().relative_error;
}

Words of_rate(double rate) {
  return {fmt::format("train.learning_rate={}", rate), fmt::format("run.rounds={}", 15 / rate)};
}

// When each node has finished.
std::vector<Time> ends(const node::Run& run, const SimulationOptions& options) {
  Simulation simulation(run, options);
  std::vector<Time> all(run.topology.nodes());
  simulation.observe(
      [&](NodeId node, Time now, const node::Progress&) { all[index_of(node)] = now; });
  simulation.run();
  CHECK_FALSE(simulation.failure());
  return all;
}

}  // namespace

// Messages that need no longer than a step: every node sends what it would send in step, and mixes
// it at the same moment. (choco and the others that adapt first have the other order in step.)
TEST_CASE("async: where messages are quick d-psgd is what it is in step") {
  const SimulationOptions quick = {.link = {.delay = 500us}, .step = 1ms};
  const Words words = of_rate(0.02);
  const double in_step = relative_error(words, quick);
  CHECK(relative_error(words + async("d-psgd"), quick) == doctest::Approx(in_step).epsilon(0.01));
}

// Lian et al. 2018, Theorem 1 and Corollary 2: the iterates of AD-PSGD stay in a neighborhood whose
// size goes with the step and the staleness; and so it is with the others, whose bias D-PSGD has.
TEST_CASE("async: every method reaches a neighborhood of the optimum that shrinks with the step") {
  for (const auto& [algorithm, unused] : kMethods) {
    CAPTURE(algorithm);
    const double large = relative_error(of_rate(0.02) + async(algorithm), kUneven);
    const double small = relative_error(of_rate(0.005) + async(algorithm), kUneven);
    CHECK(small < 0.5);
    CHECK(large / small > 1.4);
  }
}

// DeepSqueeze compresses whole models, so that its error does not vanish with the differences; in
// step it is 0.009 too.
TEST_CASE("async: without heterogeneity every method finds the optimum") {
  for (const auto& [algorithm, unused] : kMethods) {
    CAPTURE(algorithm);
    const Words words = of_rate(0.02) + async(algorithm) + Words{"data.heterogeneity=0"};
    CHECK(relative_error(words, kUneven) < (algorithm == "deepsqueeze" ? 0.02 : 1e-5));
  }
}

TEST_CASE("async: a node ten times slower does not slow the others") {
  const SimulationOptions even = {.link = {.delay = 300us, .jitter = 100us}, .step = 1ms};
  SimulationOptions with_slow = even;
  with_slow.slow = {{node_id(2), 10.0}};
  const auto slowdown = [&](const Words& words) {
    const node::Run run = quadratic(words + Words{"run.rounds=300"});
    const std::vector<Time> before = ends(run, even), after = ends(run, with_slow);
    double worst = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (i != 2) worst = std::max(worst, seconds(after[i]) / seconds(before[i]));
    }
    return worst;
  };
  CHECK(slowdown({}) > 9);
  for (const auto& [algorithm, unused] : kMethods) {
    CAPTURE(algorithm);
    CHECK(slowdown(async(algorithm)) <= 1.1);
  }
}

// AD-PSGD of the paper needs a bipartite graph, on which one half asks and the other answers, for
// no circle of nodes to wait for each other. Here who waits answers: no wait lasts longer than a
// step of the neighbor and the two delays.
TEST_CASE("async: no circle of nodes stands still on odd graphs, however little is stale") {
  for (const char* graph : {"topology.kind=complete", "topology.kind=ring"}) {
    for (const auto& [algorithm, unused] : kMethods) {
      CAPTURE(algorithm);
      const node::Run run =
          quadratic(async(algorithm) +
                    Words{graph, "topology.nodes=5", "gossip.staleness=1", "run.rounds=200"});
      for (const Time end : ends(run, kUneven)) CHECK(end <= 200 * (1ms + 1ms + 2 * 3500us));
    }
  }
}

// Design, section 2: what an asynchronous node does follows from what it was told and when.
TEST_CASE("async: a recorded trace replayed through a fresh node gives the same bits and actions") {
  struct Entry {
    Time now;
    node::CoreEvent event;
    std::uint64_t model;  // hash, after it
  };
  for (const auto& [algorithm, unused] : kMethods) {
    CAPTURE(algorithm);
    const node::Run run =
        quadratic(async(algorithm) + Words{"run.rounds=120", "gossip.staleness=2"});
    Simulation simulation(run, {.link = {.delay = 500us, .jitter = 3ms},
                                .step = 1ms,
                                .slow = {{node_id(3), 4.0}},
                                .silence = 20ms,
                                .loss = 0.02});
    std::map<std::pair<NodeId, std::uint64_t>, std::vector<Entry>> traces;  // by node and life
    using Link = std::tuple<NodeId, NodeId, Epoch>;
    std::map<Link, std::vector<gossip::Parcel>> received, sent;
    const auto hash = [](std::span<const float> x) { return hash_of(std::as_bytes(x)); };
    simulation.watch([&](NodeId node, const node::CoreEvent& event) {
      traces[{node, simulation.life(node)}].push_back(
          {simulation.now(), event, hash(simulation.model(node))});
      if (const auto* r = std::get_if<node::Received>(&event)) {
        received[{r->from, node, r->parcel.epoch}].push_back(r->parcel);
      }
    });
    simulation.cut(node_id(0), node_id(1), 20ms);
    simulation.heal(node_id(0), node_id(1), 40ms);
    simulation.kill(node_id(5), 30ms);
    simulation.restart(node_id(5), 50ms);
    simulation.pause(node_id(6), 35ms, 60ms);
    simulation.run();
    for (const auto& [who, trace] : traces) {
      const auto core = node::make_core(run, who.first);
      for (const Entry& entry : trace) {
        if (std::holds_alternative<node::StepComputed>(entry.event)) core->compute_step();
        if (std::holds_alternative<node::Evaluated>(entry.event)) core->evaluate();
        node::Effects effects;
        core->handle(entry.event, entry.now, effects);
        REQUIRE(hash(core->model()) == entry.model);
        for (const node::Effect& effect : effects) {
          if (const auto* s = std::get_if<node::Send>(&effect)) {
            sent[{who.first, s->to, s->parcel.epoch}].push_back(s->parcel);
          }
        }
      }
    }
    // What arrived is what was sent first on each link; the rest was lost.
    std::size_t messages = 0;
    for (const auto& [link, parcels] : received) {
      REQUIRE(sent[link].size() >= parcels.size());
      for (std::size_t i = 0; i < parcels.size(); ++i, ++messages) {
        const gossip::Parcel &a = parcels[i], &b = sent[link][i];
        REQUIRE(a.type == b.type);
        REQUIRE(a.round == b.round);
        REQUIRE(a.base == b.base);
        REQUIRE(std::ranges::equal(a.body.bytes(), b.body.bytes()));
      }
    }
    CHECK(messages > 300);
  }
}
