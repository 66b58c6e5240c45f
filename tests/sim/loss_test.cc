// What faults cost in loss (reliability specification, invariant I7): softmax regression on real
// digits, split by a Dirichlet of 1, with a penalty that gives the loss a floor; the mean of the
// nodes' own models, consensus error and all.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "tests/sim/runs.h"
#include "tests/support/effort.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kSeeds = effort(20, 2);
constexpr Round kRounds = 600;

const std::vector<std::vector<std::string>> kAlgorithms = {
    {"gossip.algorithm=powergossip", "gossip.rank=4", "gossip.iterations=1"},
    {"gossip.algorithm=cold", "compress.operator=quantize", "compress.bits=8"},
    {"gossip.algorithm=def-atc", "compress.operator=top-k", "compress.ratio=0.1"},
    {"gossip.algorithm=choco", "compress.operator=sign"},
};

node::Run task(const std::vector<std::string>& algorithm, std::uint64_t seed) {
  std::vector<std::string> words = {"topology.nodes=8",
                                    "model.kind=softmax",
                                    "train.momentum=0",
                                    "train.learning_rate=0.05",
                                    "train.weight_decay=0.01",
                                    "data.alpha=1",
                                    fmt::format("run.seed={}", seed),
                                    fmt::format("run.rounds={}", kRounds)};
  words.insert(words.end(), algorithm.begin(), algorithm.end());
  return softmax(words);
}

using Break = std::function<void(Simulation&)>;

double mean_loss(const node::Run& run, double loss, const Break& faults = {}) {
  Simulation simulation(run,
                        {.link = {.delay = 200us}, .step = 1ms, .notice = 100us, .loss = loss});
  if (faults) faults(simulation);
  simulation.run();
  const node::RunReport report = simulation.report();
  double sum = 0;
  for (const node::NodeReport& node : report.nodes) sum += node.loss;
  return sum / static_cast<double>(report.nodes.size());
}

// Mean and worst over the seeds of the loss with faults, relative to that without.
struct Cost {
  double mean = 0, worst = -1;
};
Cost cost_of(const std::vector<std::string>& algorithm, double loss, const Break& faults = {}) {
  Cost cost;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const node::Run run = task(algorithm, seed);
    const double more = mean_loss(run, loss, faults) / mean_loss(run, 0) - 1;
    cost.mean += more / static_cast<double>(kSeeds);
    cost.worst = std::max(cost.worst, more);
  }
  MESSAGE(algorithm[0] << ": " << 100 * cost.mean << " % on average, worst " << 100 * cost.worst
                       << " %");
  return cost;
}

}  // namespace

TEST_CASE("loss: a third of all messages lost in each direction costs at most two per cent") {
  for (const auto& algorithm : kAlgorithms) {
    const Cost cost = cost_of(algorithm, 0.3);
    CHECK(cost.mean < 0.02);
    CHECK(cost.worst < 0.05);
  }
}

TEST_CASE("loss: a partition for a quarter of the run, then healed, costs at most two per cent") {
  for (const auto& algorithm : kAlgorithms) {
    const Cost cost = cost_of(algorithm, 0, [](Simulation& simulation) {
      for (const auto& [a, b] : {std::pair{0, 7}, std::pair{3, 4}}) {
        simulation.cut(node_id(a), node_id(b), 60ms);
        simulation.heal(node_id(a), node_id(b), 60ms + kRounds * 1ms / 4);
      }
    });
    CHECK(cost.mean < 0.02);
    CHECK(cost.worst < 0.02);
  }
}
