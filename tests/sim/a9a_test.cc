// Logistic regression on a9a, eight nodes in a ring of which each has one label alone: the exact
// methods reach the central optimum. The data are read from STARLING_DATA_DIR.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/sim/runs.h"
#include "train/trainer.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;

namespace {

node::Run a9a(const std::vector<std::string>& overrides) {
  return make_run(R"(
[run]
rounds = 1500
evaluate_every = 0
[topology]
kind = "ring"
nodes = 8
[data]
kind = "libsvm"
path = ")" STARLING_DATA_DIR R"(/libsvm/a9a"
test_path = ")" STARLING_DATA_DIR R"(/libsvm/a9a.t"
split = "by-label"
[model]
kind = "logistic"
l2 = 0.01
[train]
batch = 0
learning_rate = 0.5
[gossip]
algorithm = "nids"
)",
                  overrides);
}

// F = the mean of the nodes' training losses, penalty included.
class Objective {
 public:
  explicit Objective(const node::Run& run) : rate_(run.config.train.learning_rate) {
    for (std::size_t i = 0; i < run.topology.nodes(); ++i) {
      trainers_.push_back(train::make_trainer(run.problem, node_id(i)));
    }
    update_.resize(trainers_[0]->layout().size());
  }

  // F at x; rate · ∇F into `step`.
  double at(std::span<const float> x, std::vector<double>& step) {
    const auto nodes = static_cast<double>(trainers_.size());
    step.assign(x.size(), 0.0);
    double loss = 0;
    for (const auto& trainer : trainers_) {
      loss += trainer->step(0, x, update_) / nodes;
      for (std::size_t k = 0; k < x.size(); ++k) step[k] += update_[k] / nodes;
    }
    return loss;
  }

  // Accelerated gradient descent in one place (Nesterov, for conditions up to 1/(rate · l2)).
  double optimum(double l2) {
    const double root = std::sqrt(rate_ * l2), momentum = (1 - root) / (1 + root);
    std::vector<double> x(update_.size(), 0.0), before = x, step;
    std::vector<float> y(x.size(), 0.0f);
    double best = INFINITY;
    for (int i = 0; i < 400; ++i) {
      best = std::min(best, at(y, step));
      for (std::size_t k = 0; k < x.size(); ++k) {
        before[k] = x[k];
        x[k] = y[k] - step[k];
        y[k] = static_cast<float>(x[k] + momentum * (x[k] - before[k]));
      }
    }
    return best;
  }

 private:
  const double rate_;
  std::vector<std::unique_ptr<train::Trainer>> trainers_;
  std::vector<float> update_;
};

}  // namespace

TEST_CASE("a9a: cold and lead reach the central optimum from nodes of one label each") {
  const node::Run nids = a9a({});
  Objective objective(nids);
  const double optimum = objective.optimum(0.01);
  const auto check = [&](const node::Run& run) {
    Simulation simulation(run, {});
    simulation.run();
    double worst = 0;
    std::vector<double> step;
    for (std::size_t i = 0; i < 8; ++i) {
      worst = std::max(worst, objective.at(simulation.model(node_id(i)), step) - optimum);
    }
    const node::RunReport report = simulation.report();
    MESSAGE(report.algorithm << ": suboptimality " << worst << " of " << optimum << " after "
                             << report.nodes[0].sent_bytes << " bytes a node");
    return std::pair(worst, report.nodes[0].sent_bytes);
  };
  const auto [nids_worst, nids_bytes] = check(nids);
  CHECK(nids_worst < 1e-6);
  for (const char* algorithm : {"cold", "lead"}) {
    const auto [worst, bytes] =
        check(a9a({std::string("gossip.algorithm=") + algorithm, "compress.operator=quantize",
                   "compress.bits=4", "compress.bucket=128"}));
    CHECK(worst < 1e-6);
    CHECK(bytes < nids_bytes);
  }
}
