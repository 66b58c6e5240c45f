// The models of every round of a simulated run, and what the local steps did to their mean.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <vector>

#include "sim/simulation.h"
#include "train/trainer.h"

namespace starling::sim::test {

// Keeps what each node stood at before round 0 and after every round. Only for runs in which every
// node does every round. Takes the simulation's observer.
class History {
 public:
  History(const node::Run& run, Simulation& simulation) : run_(run), models_(run.topology.nodes()) {
    for (std::size_t i = 0; i < models_.size(); ++i) keep(simulation, node_id(i));
    simulation.observe(
        [this, &simulation](NodeId node, Time, const node::Progress&) { keep(simulation, node); });
  }

  // How far the mean of the models has moved by anything else than the mean of the local steps,
  // which are taken again here: the largest coordinate of all rounds, relative to the largest
  // parameter. Needs steps without memory (no momentum).
  double drift_of_mean() const {
    const std::size_t nodes = models_.size(), size = models_[0][0].size();
    std::vector<std::unique_ptr<train::Trainer>> trainers;
    for (std::size_t i = 0; i < nodes; ++i) {
      trainers.push_back(train::make_trainer(run_.problem, node_id(i)));
    }
    double drift = 0, largest = 0;
    for (Round r = 0; r + 1 < models_[0].size(); ++r) {
      std::vector<double> sum(size, 0.0);
      std::vector<float> update(size);
      for (std::size_t i = 0; i < nodes; ++i) {
        const auto &before = models_[i][r], &after = models_[i][r + 1];
        trainers[i]->step(r, before, update);
        for (std::size_t k = 0; k < size; ++k) {
          sum[k] += static_cast<double>(after[k]) - before[k] + update[k];
          largest = std::max(largest, std::abs(static_cast<double>(after[k])));
        }
      }
      for (const double s : sum) drift = std::max(drift, std::abs(s) / static_cast<double>(nodes));
    }
    return drift / largest;
  }

  Round rounds(NodeId node) const { return models_[index_of(node)].size() - 1; }

 private:
  void keep(const Simulation& simulation, NodeId node) {
    const auto model = simulation.model(node);
    models_[index_of(node)].emplace_back(model.begin(), model.end());
  }

  const node::Run& run_;
  std::vector<std::vector<std::vector<float>>> models_;  // by node and round
};

}  // namespace starling::sim::test
