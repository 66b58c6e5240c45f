// What the specification says of the algorithms, on problems with a known answer.
#include <doctest/doctest.h>

#include "tests/sim/history.h"
#include "tests/sim/runs.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;

namespace {

double relative_error(const std::vector<std::string>& overrides) {
  return simulate(quadratic(overrides)).relative_error.value();
}

// Rounds enough for the slowest direction (curvature 1) to shrink by e^-10.
std::string rounds_for(double rate) {
  return "run.rounds=" + std::to_string(static_cast<int>(10 / rate));
}

std::string rate_of(double rate) { return "train.learning_rate=" + std::to_string(rate); }

}  // namespace

// §7 and §3 (Lian et al. 2017; Vogels et al. 2020): whatever the graph and the compression, the
// mean of the models moves by the mean of the local steps alone. Every addition to a parameter
// rounds by at most 2^-24 of it: one for the step, one for each neighbor and exchange.
TEST_CASE("convergence: gossip leaves the mean of the models to the local steps") {
  for (const char* graph : {"ring", "torus"}) {
    for (const char* algorithm : {"d-psgd", "powergossip"}) {
      for (const char* overlap : {"true", "false"}) {
        const node::Run run =
            quadratic({std::string("topology.kind=") + graph, "topology.nodes=9", "data.noise=0.5",
                       std::string("gossip.algorithm=") + algorithm,
                       std::string("gossip.overlap=") + overlap, "gossip.iterations=2"});
        Simulation simulation(run, {});
        const History history(run, simulation);
        simulation.run();
        CAPTURE(graph);
        CAPTURE(algorithm);
        REQUIRE(history.rounds(node_id(8)) == 100);
        const double additions = 1 + 2.0 * static_cast<double>(run.topology.degree(node_id(0)));
        CHECK(history.drift_of_mean() < 2 * additions * std::exp2(-24));
      }
    }
  }
}

// §7, D-PSGD, and acceptance test 5: on heterogeneous data with a constant step it must not reach
// x*; its floor halves with the step.
TEST_CASE("convergence: d-psgd keeps a bias that is proportional to its learning rate") {
  std::vector<double> floors;
  for (const double rate : {0.02, 0.01, 0.005}) {
    floors.push_back(relative_error({rate_of(rate), rounds_for(rate)}));
  }
  CAPTURE(floors[0]);
  CAPTURE(floors[1]);
  CAPTURE(floors[2]);
  CHECK(floors[2] > 0.01);
  CHECK(floors[0] / floors[1] == doctest::Approx(2).epsilon(0.15));
  CHECK(floors[1] / floors[2] == doctest::Approx(2).epsilon(0.1));
}

// §7: "ATC, ~20 % smaller bias".
TEST_CASE("convergence: mixing after the step has the smaller bias") {
  const double before = relative_error({rate_of(0.01), rounds_for(0.01)});
  const double after = relative_error({rate_of(0.01), rounds_for(0.01), "gossip.overlap=false"});
  CAPTURE(before);
  CAPTURE(after);
  CHECK(after < before);
  CHECK(after > 0.5 * before);
}

TEST_CASE("convergence: without heterogeneity d-psgd finds the optimum") {
  CHECK(relative_error({"data.heterogeneity=0", rate_of(0.02), rounds_for(0.02)}) < 1e-3);
}

// §3 "Measured", strongly heterogeneous matrices: node error 0.156 (D-PSGD), 1.64 (PowerGossip,
// 1 iteration), 0.61 (4 iterations); the bias of D-PSGD, about 4 to 16 times larger.
TEST_CASE("convergence: powergossip has d-psgd's bias, larger the more it compresses") {
  const auto floor_of = [](const std::vector<std::string>& gossip) {
    std::vector<std::string> overrides = {"data.dimension=100", rate_of(0.01), rounds_for(0.01)};
    overrides.insert(overrides.end(), gossip.begin(), gossip.end());
    return relative_error(overrides);
  };
  const double dense = floor_of({});
  const double one = floor_of({"gossip.algorithm=powergossip", "gossip.iterations=1"});
  const double four = floor_of({"gossip.algorithm=powergossip", "gossip.iterations=4"});
  const double full = floor_of({"gossip.algorithm=powergossip", "gossip.rank=10"});
  CAPTURE(dense);
  CAPTURE(one);
  CAPTURE(four);
  CAPTURE(full);
  CHECK(one > 1.5 * four);
  CHECK(four > 1.5 * dense);
  CHECK(full == doctest::Approx(dense).epsilon(0.01));
}
