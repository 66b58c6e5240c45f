// Virtual times of whole runs, computed by hand.
#include <doctest/doctest.h>

#include "tests/sim/runs.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

// Ten rounds of two nodes; times in milliseconds.
double milliseconds(const std::vector<std::string>& overrides, const SimulationOptions& options) {
  std::vector<std::string> all = {"topology.kind=path", "topology.nodes=2", "run.rounds=10"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  const node::RunReport report = simulate(quadratic(all), options);
  CHECK(report.rounds == 10);
  return *report.virtual_seconds * 1e3;
}

SimulationOptions ten_ms_link(Duration step) { return {.link = {.delay = 10ms}, .step = step}; }

}  // namespace

TEST_CASE("time: with overlap a round takes the longer of its step and the network's delay") {
  CHECK(milliseconds({}, ten_ms_link(4ms)) == doctest::Approx(10 * 10));
  CHECK(milliseconds({}, ten_ms_link(25ms)) == doctest::Approx(10 * 25));
}

TEST_CASE("time: without overlap a round takes its step and then the delay") {
  CHECK(milliseconds({"gossip.overlap=false"}, ten_ms_link(4ms)) == doctest::Approx(10 * 14));
}

// The first exchange hides behind the step, each other one costs a delay.
TEST_CASE("time: every further iteration of powergossip costs a delay") {
  const std::string algorithm = "gossip.algorithm=powergossip";
  CHECK(milliseconds({algorithm, "gossip.iterations=1"}, ten_ms_link(4ms)) ==
        doctest::Approx(10 * 10));
  CHECK(milliseconds({algorithm, "gossip.iterations=3"}, ten_ms_link(4ms)) ==
        doctest::Approx(10 * 30));
  CHECK(milliseconds({algorithm, "gossip.iterations=3"}, ten_ms_link(25ms)) ==
        doctest::Approx(10 * 45));
}

TEST_CASE("time: a thin link adds the transmission of every message") {
  const LinkModel thin{.delay = 10ms, .bytes_per_second = 1000};  // a byte a millisecond
  CHECK(milliseconds({}, {.link = thin, .step = 4ms}) ==
        doctest::Approx(10 * (10.0 + kDenseMessage)));
}

// Three nodes, each the neighbor of both others, send in the order of the nodes' numbers. Node 0
// gets two first messages and node 1 a first and a second one, which makes 2 transmissions; node 2
// gets two second messages at once, the last of which is there after 3.
TEST_CASE("time: messages of one round queue at a receiver") {
  const node::Run run = quadratic({"topology.nodes=3", "run.rounds=1"});
  Simulation simulation(run, {.link = {.delay = 10ms, .bytes_per_second = 1000}});
  std::vector<double> ended(3);
  simulation.observe([&](NodeId node, Time now, const node::Progress&) {
    ended[index_of(node)] = seconds(now) * 1e3;
  });
  simulation.run();
  CHECK(ended[0] == doctest::Approx(10.0 + 2 * kDenseMessage));
  CHECK(ended[1] == doctest::Approx(10.0 + 2 * kDenseMessage));
  CHECK(ended[2] == doctest::Approx(10.0 + 3 * kDenseMessage));
}

TEST_CASE("time: a report splits a node's time into work and waiting") {
  const node::RunReport report =
      simulate(quadratic({"run.rounds=10"}), {.link = {.delay = 10ms}, .step = 4ms});
  for (const node::NodeReport& node : report.nodes) {
    CHECK(node.compute_seconds == doctest::Approx(0.04));
    CHECK(node.wait_seconds == doctest::Approx(0.06));
    CHECK(node.train_seconds == doctest::Approx(0.1));
  }
  CHECK(report.train_seconds == doctest::Approx(0.1));
}

TEST_CASE("time: without links and steps a run takes no time") { CHECK(milliseconds({}, {}) == 0); }

TEST_CASE("time: the neighbors of a slow node wait for its step") {
  SimulationOptions options = ten_ms_link(4ms);
  options.slow = {{node_id(1), 5.5}};
  CHECK(milliseconds({}, options) == doctest::Approx(10 * 22));
  // Without overlap a node waits for a step of the other and sees it a delay later, so two rounds
  // take both steps and two delays.
  options.slow = {{node_id(0), 0.5}, {node_id(1), 1.0}};
  CHECK(milliseconds({"gossip.overlap=false"}, options) == doctest::Approx(5 * (2 + 4 + 20)));
  const node::RunReport report = simulate(quadratic({"run.rounds=10"}), options);
  CHECK(report.nodes[0].compute_seconds == doctest::Approx(0.02));
  CHECK(report.nodes[2].compute_seconds == doctest::Approx(0.04));
}

TEST_CASE("time: one far link makes its ends' rounds long, and soon everybody's") {
  SimulationOptions options = ten_ms_link(4ms);
  options.links = {{.a = node_id(1), .b = node_id(0), .delay = 30ms}};
  CHECK(milliseconds({}, options) == doctest::Approx(10 * 30));
  CHECK(*simulate(quadratic({"run.rounds=10"}), options).virtual_seconds == doctest::Approx(0.300));
}

// Each round takes the longer of two delays between 10 and 20 ms, 16.7 ms on the average.
TEST_CASE("time: jitter makes rounds longer, and models not different") {
  SimulationOptions options = ten_ms_link(4ms);
  options.link.jitter = 10ms;
  const double jittered = milliseconds({"run.seed=3"}, options);
  CHECK(jittered > 10 * 13);
  CHECK(jittered < 10 * 20);
  CHECK(milliseconds({"run.seed=3"}, options) == jittered);
  CHECK(milliseconds({"run.seed=4"}, options) != jittered);
  const node::Run run = quadratic();
  CHECK(hashes(simulate(run, options)) == hashes(simulate(run, ten_ms_link(4ms))));
}
