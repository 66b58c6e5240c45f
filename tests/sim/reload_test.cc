// Run files that change while a simulated flock trains: nodes and edges come and go, at each node
// at another time.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "gossip/algorithms.h"
#include "protocol/random.h"
#include "sim/adversary.h"
#include "sim/invariants.h"
#include "tests/sim/runs.h"
#include "tests/support/effort.h"
#include "train/problem.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

constexpr Duration kStep = 1ms;

struct Graph {
  std::string kind;
  std::size_t nodes = 0;
  std::set<std::size_t> left = {};
};

std::vector<std::string> words_of(const gossip::AlgorithmTraits& algorithm, bool async) {
  std::vector<std::string> words = test::words_of(algorithm);
  words.push_back("gossip.allow_unproven=true");
  if (async) words.push_back("gossip.mode=async");
  return words;
}

// The quadratic of runs.h on listed nodes.
node::Run run_on(const Graph& graph, Round rounds, const std::vector<std::string>& more) {
  std::string text = kQuadratic + fmt::format("[topology]\nkind = \"{}\"\n", graph.kind);
  for (std::size_t i = 0; i < graph.nodes; ++i) {
    text += fmt::format("[[node]]\nname = \"n{}\"\naddress = \"127.0.0.1:{}\"\nleft = {}\n", i,
                        7700 + i, graph.left.contains(i));
  }
  std::vector<std::string> words = {fmt::format("run.rounds={}", rounds),
                                    "train.learning_rate=0.02"};
  words.insert(words.end(), more.begin(), more.end());
  return make_run(text, words);
}

// One change of a run file: node i reads it at `at` + i · `apart`.
struct Change {
  Graph before, after;
  Time at = 50 * kStep;
  Duration apart = 7 * kStep / 2;
};

void apply(const Change& change, const node::Run& after, Simulation& simulation) {
  for (std::size_t i = 0; i < change.after.nodes; ++i) {
    const Time at = change.at + static_cast<int>(i) * change.apart;
    const bool leaves = change.after.left.contains(i);
    if (leaves && !change.before.left.contains(i)) {
      simulation.kill(node_id(i), at);
    } else if (!leaves) {
      simulation.reload(after, node_id(i), at);
    }
  }
}

template <class Body>
void for_each_algorithm(const Body& body) {
  for (const gossip::AlgorithmTraits& algorithm : gossip::all_algorithms()) {
    if (algorithm.kind == gossip::AlgorithmKind::none || algorithm.is_mesh()) continue;
    CAPTURE(std::string(algorithm.name));
    body(algorithm, words_of(algorithm, false));
    if (algorithm.pace == gossip::Pace::either) body(algorithm, words_of(algorithm, true));
  }
}

// Plays the change under all algorithms; no invariant may break, and where no node takes its model
// along, the sum of the models is what the local steps made of it.
void play(const Change& change, Round rounds = 150) {
  for_each_algorithm([&](const gossip::AlgorithmTraits&, const std::vector<std::string>& words) {
    const node::Run before = run_on(change.before, rounds, words);
    const node::Run after = run_on(change.after, rounds, words);
    Simulation simulation(before, {.link = {.delay = kStep / 2}, .step = kStep});
    apply(change, after, simulation);
    Invariants invariants(after, simulation, {.keeps_memory = change.after.left.empty()});
    simulation.run();
    invariants.check_end(60s);
    INFO(invariants.broken().value_or("") << "\n" << invariants.last_events());
    CHECK_FALSE(invariants.broken());
    for (const gossip::Edge& edge : after.topology.edges()) {
      CHECK(simulation.epoch(edge.low, edge.high) > 0);
    }
  });
}

const Graph kRing8{"ring", 8}, kRing9{"ring", 9}, kTorus9{"torus", 9};

// The worst node's distance to the optimum of those that train at the end.
double error_after(const Change& change, const std::vector<std::string>& words, Round rounds) {
  const node::Run before = run_on(change.before, rounds, words);
  const node::Run after = run_on(change.after, rounds, words);
  Simulation simulation(before, {.link = {.delay = kStep / 2}, .step = kStep});
  apply(change, after, simulation);
  simulation.run();
  double worst = 0;
  for (const NodeId node : after.topology.present()) {
    worst = std::max(worst, after.problem->quadratic->relative_error(simulation.model(node)));
  }
  return worst;
}

constexpr gossip::AlgorithmKind kExact[] = {gossip::AlgorithmKind::nids,
                                            gossip::AlgorithmKind::d2,
                                            gossip::AlgorithmKind::cold,
                                            gossip::AlgorithmKind::lead,
                                            gossip::AlgorithmKind::powergossip_exact,
                                            gossip::AlgorithmKind::dyna_cold,
                                            gossip::AlgorithmKind::gradient_tracking,
                                            gossip::AlgorithmKind::beer,
                                            gossip::AlgorithmKind::lessbit};

}  // namespace

TEST_CASE("reload: a ring becomes a torus while it trains") { play({kRing9, kTorus9}); }

TEST_CASE("reload: a torus becomes a ring, and edges go") { play({kTorus9, kRing9}); }

TEST_CASE("reload: a node joins the flock, and its edges begin") { play({kRing8, kRing9}); }

TEST_CASE("reload: a node leaves the flock, and its edges end") {
  play({kRing9, {"ring", 9, {4}}});
}

TEST_CASE("reload: one file after the other") {
  for_each_algorithm([&](const gossip::AlgorithmTraits&, const std::vector<std::string>& words) {
    constexpr Round kRounds = 200;
    const node::Run first = run_on(kRing8, kRounds, words);
    const node::Run second = run_on(kRing9, kRounds, words);
    const node::Run third = run_on(kTorus9, kRounds, words);
    Simulation simulation(first, {.link = {.delay = kStep / 2}, .step = kStep});
    apply({kRing8, kRing9, 20 * kStep, kStep}, second, simulation);
    apply({kRing9, kTorus9, 80 * kStep, 3 * kStep}, third, simulation);
    Invariants invariants(third, simulation);
    simulation.run();
    invariants.check_end(60s);
    INFO(invariants.broken().value_or(""));
    CHECK_FALSE(invariants.broken());
  });
}

// The duals of an edge go with it at both ends, and trackers begin anew: nothing of the node that
// has left pulls at the others (gossip specification, §8: with its duals kept they are stuck).
TEST_CASE("reload: exact methods reach the optimum of those that stay") {
  for (const gossip::AlgorithmKind kind : kExact) {
    CAPTURE(std::string(gossip::name_of(kind)));
    const std::vector<std::string> words = words_of(gossip::traits_of(kind), false);
    CHECK(error_after({kRing9, {"ring", 9, {4}}}, words, 6000) < 1e-3);
  }
}

TEST_CASE("reload: exact methods reach the optimum with those that have joined") {
  for (const gossip::AlgorithmKind kind : kExact) {
    CAPTURE(std::string(gossip::name_of(kind)));
    const std::vector<std::string> words = words_of(gossip::traits_of(kind), false);
    CHECK(error_after({kRing8, kRing9}, words, 6000) < 1e-3);
  }
}

TEST_CASE("reload: the same file once more changes nothing in the end") {
  const Change change{kRing8, kRing8};
  CHECK(error_after(change, words_of(gossip::traits_of(gossip::AlgorithmKind::nids), false), 3000) <
        1e-3);
}

// Exchanges that broke off under the old weights are made up for with them.
TEST_CASE("reload: no seed of faults around a reload breaks an invariant") {
  constexpr Round kRounds = 150;
  constexpr int kRepeats = effort(12, 2);
  std::uint64_t seed = 5000;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    for_each_algorithm([&](const gossip::AlgorithmTraits&, const std::vector<std::string>& words) {
      ++seed;
      const bool grows = seed % 2 == 0;
      const Change change{kRing8, grows ? kRing9 : Graph{"complete", 8},
                          Random(seed, Stream::test).below(0, 90) * kStep, kStep / 3};
      const node::Run before = run_on(change.before, kRounds, words);
      const node::Run after = run_on(change.after, kRounds, words);
      const Undisturbed calm = undisturbed(before, kRounds * kStep);
      const FaultPlan plan = draw_faults(seed, calm);
      Simulation simulation(before,
                            with_faults({.link = {.delay = kStep / 2}, .step = kStep}, plan, calm));
      apply(change, after, simulation);
      // An edge that goes while it is torn takes half an exchange along: only where none goes
      // is the sum kept to the bit.
      Invariants invariants(after, simulation, {.keeps_memory = !plan.loses_memory() && !grows});
      sim::apply(plan, before.topology, simulation);
      simulation.run();
      invariants.check_end(60s);
      INFO("seed " << seed << ' ' << plan.describe() << "\n"
                   << invariants.broken().value_or("") << "\n"
                   << invariants.last_events());
      REQUIRE_FALSE(invariants.broken());
    });
  }
}
