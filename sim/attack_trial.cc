#include "sim/attack_trial.h"

#include <algorithm>

namespace starling::sim {

AttackOutcome play_attack(const node::Run& run, const SimulationOptions& options, NodeId liar,
                          std::optional<AttackKind> kind) {
  Simulation simulation(run, options);
  if (kind) simulation.attack(liar, *kind);
  simulation.run();
  AttackOutcome outcome{.accuracy_worst = 1};
  double count = 0;
  for (std::size_t i = 0; i < run.topology.nodes(); ++i) {
    if (node_id(i) == liar || run.topology.has_left(node_id(i))) continue;
    const node::Progress progress = simulation.progress(node_id(i));
    const double accuracy = progress.evaluation ? progress.evaluation->accuracy.value_or(0) : 0;
    outcome.accuracy_mean += accuracy;
    outcome.accuracy_worst = std::min(outcome.accuracy_worst, accuracy);
    ++count;
    for (const node::EdgeCounts& edge : progress.edges) {
      if (edge.peer == liar) outcome.rejected += edge.rejected;
    }
  }
  outcome.accuracy_mean /= count;
  outcome.failure = simulation.failure();
  return outcome;
}

}  // namespace starling::sim
