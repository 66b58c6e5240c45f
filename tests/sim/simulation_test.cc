// Whole flocks without faults: determinism, what a run costs, and how it ends.
#include "sim/simulation.h"

#include <doctest/doctest.h>

#include "tests/sim/runs.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

TEST_CASE("simulation: a run is a function of its file, to the bit and the nanosecond") {
  const SimulationOptions slow{.link = {.delay = 3ms, .bytes_per_second = 1e5}, .step = 2ms};
  for (const char* algorithm : {"gossip.algorithm=d-psgd", "gossip.algorithm=powergossip"}) {
    const auto once = simulate(digits({algorithm, "run.rounds=15"}), slow);
    const auto again = simulate(digits({algorithm, "run.rounds=15"}), slow);
    CHECK(hashes(once) == hashes(again));
    CHECK(once.virtual_seconds == again.virtual_seconds);
    CHECK(hashes(simulate(digits({algorithm, "run.rounds=15", "run.seed=2"}), slow)) !=
          hashes(once));
  }
}

TEST_CASE("simulation: the network decides when a model is there, not which") {
  const node::Run run = quadratic({"gossip.algorithm=powergossip", "gossip.iterations=2"});
  const auto fast = simulate(run);
  CHECK(hashes(simulate(run, {.link = {.delay = 7ms, .bytes_per_second = 1e4}, .step = 1ms})) ==
        hashes(fast));
}

TEST_CASE("simulation: a flock learns the digits that no node has by itself") {
  const auto alone = simulate(digits({"run.rounds=200", "gossip.algorithm=none"}));
  const auto flock = simulate(digits({"run.rounds=200"}));
  const auto dense = simulate(digits({"run.rounds=200", "gossip.algorithm=d-psgd"}));
  CAPTURE(alone.mean_accuracy.value());
  CAPTURE(flock.mean_accuracy.value());
  CAPTURE(dense.mean_accuracy.value());
  CHECK(flock.min_accuracy.value() > 0.88);
  CHECK(flock.mean_accuracy.value() > alone.mean_accuracy.value() + 0.15);
  CHECK(flock.mean_accuracy.value() > dense.mean_accuracy.value() - 0.03);
  CHECK(flock.consensus_distance.value() < 0.1);
  CHECK(flock.nodes[0].sent_bytes * 3 < flock.nodes[0].sent_uncompressed_bytes);
}

// Specification §3: a right factor of every matrix and the dense vectors with the first iteration
// of a round, a left factor with the second. 64-32-10 has the matrices 32×64 and 10×32.
TEST_CASE("simulation: what powergossip sends, byte by byte") {
  const auto report = simulate(digits({"run.rounds=6"}));
  constexpr std::uint64_t kFirst = 64 + 4 * ((64 + 32) + (32 + 10));
  constexpr std::uint64_t kSecond = 64 + 4 * (32 + 10);
  constexpr std::uint64_t kWhole = 64 + 4 * (32 * 64 + 32 + 10 * 32 + 10);
  for (const node::NodeReport& node : report.nodes) {
    CHECK(node.sent_bytes == 6 * 2 * (kFirst + kSecond));
    CHECK(node.received_bytes == 6 * 2 * (kFirst + kSecond));
    CHECK(node.sent_uncompressed_bytes == 6 * 2 * kWhole);
  }
}

TEST_CASE("simulation: alone, nodes send nothing and go their own ways") {
  const node::Run run = quadratic({"gossip.algorithm=none"});
  Simulation simulation(run, {.link = {.delay = 1s}, .step = 1ms});
  simulation.cut(node_id(0), node_id(1), 5ms);  // a link that this run does not have
  simulation.heal(node_id(0), node_id(1), 6ms);
  simulation.run();
  const auto report = simulation.report();
  CHECK(report.virtual_seconds.value() == doctest::Approx(0.1));
  CHECK(report.algorithm == "none");
  for (const node::NodeReport& node : report.nodes) {
    CHECK(node.round == 100);
    CHECK(node.sent_bytes == 0);
    CHECK(node.received_bytes == 0);
  }
  CHECK(report.consensus_distance.value() > 0.1);
  CHECK(simulation.epoch(node_id(0), node_id(1)) == 0);
}

TEST_CASE("simulation: the observer sees every round of every node, with its evaluations") {
  const node::Run run = quadratic({"run.rounds=6", "run.evaluate_every=4"});
  Simulation simulation(run, {.step = 1ms});
  std::vector<std::vector<Round>> seen(8), evaluated(8);
  simulation.observe([&](NodeId node, Time now, const node::Progress& progress) {
    seen[index_of(node)].push_back(progress.rounds_done);
    CHECK(now == progress.rounds_done * 1ms);
    CHECK(progress.sent_bytes == progress.rounds_done * 2 * kDenseMessage);
    if (progress.evaluated_rounds == progress.rounds_done) {
      evaluated[index_of(node)].push_back(progress.rounds_done);
    }
  });
  simulation.run();
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(seen[i] == std::vector<Round>{1, 2, 3, 4, 5, 6});
    CHECK(evaluated[i] == std::vector<Round>{4, 6});
  }
}

TEST_CASE("simulation: stopped from the observer, every node finishes its round and no more") {
  const node::Run run = quadratic({"run.rounds=1000"});
  Simulation simulation(run, {.link = {.delay = 3ms}, .step = 2ms});
  simulation.observe([&](NodeId node, Time, const node::Progress& progress) {
    if (node == node_id(0) && progress.rounds_done == 10) simulation.stop();
  });
  simulation.run();
  CHECK_FALSE(simulation.failure().has_value());
  for (std::size_t i = 0; i < 8; ++i) {
    const node::Progress progress = simulation.progress(node_id(i));
    CHECK(progress.phase == node::Phase::finished);
    CHECK(progress.rounds_done >= 10);
    CHECK(progress.rounds_done <= 11);
    CHECK_FALSE(progress.evaluation.has_value());
  }
}

TEST_CASE("simulation: stopped before it runs, a flock does nothing") {
  const node::Run run = quadratic();
  Simulation simulation(run, {});
  simulation.stop();
  simulation.run();
  CHECK(simulation.report().rounds == 0);
}

TEST_CASE("simulation: a flock that diverges ends, and the first node to notice says so") {
  const node::Run run = quadratic({"train.learning_rate=100", "run.rounds=500"});
  Simulation simulation(run, {.step = 1ms});
  simulation.run();
  REQUIRE(simulation.failure().has_value());
  CHECK(simulation.failure()->find(": training diverged in round ") != std::string::npos);
  CHECK(simulation.report().rounds < 100);
}

TEST_CASE("simulation: hundreds of nodes in one process") {
  const auto report = simulate(
      quadratic({"topology.kind=torus", "topology.nodes=400", "run.rounds=10", "data.dimension=4"}),
      {.link = {.delay = 1ms}, .step = 1ms});
  CHECK(report.nodes.size() == 400);
  CHECK(report.virtual_seconds.value() == doctest::Approx(0.01));
  for (const node::NodeReport& node : report.nodes) CHECK(node.sent_bytes == 10 * 4 * (64 + 16));
}
