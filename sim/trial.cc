#include "sim/trial.h"

namespace starling::sim {

Result<Duration> fault_free_length(const node::Run& run, const SimulationOptions& options) {
  Simulation simulation(run, options);
  simulation.run();
  if (simulation.failure()) return Error{ErrorCode::diverged, *simulation.failure()};
  return simulation.now();
}

Trial play(const node::Run& run, const SimulationOptions& options, const Undisturbed& undisturbed,
           std::uint64_t seed) {
  Trial trial{.plan = draw_faults(seed, undisturbed), .broken = {}};
  Simulation simulation(run, with_faults(options, trial.plan, undisturbed));
  Invariants invariants(run, simulation,
                        {.keeps_memory = !trial.plan.loses_memory(), .calm = trial.plan.calm});
  apply(trial.plan, run.topology, simulation);
  simulation.run();
  invariants.check_end(20 * undisturbed.length + std::chrono::minutes(1));
  trial.broken = invariants.broken();
  if (trial.broken) trial.events = invariants.last_events();
  trial.trace = invariants.trace_hash();
  trial.edges = invariants.edge_counts();
  for (const Refusal& refusal : simulation.refusals()) {
    ++(refusal.mismatch ? trial.refused_mismatches : trial.refused_twins);
  }
  trial.recovery = invariants.recovery();
  trial.terms = invariants.conservation().all_terms();
  trial.closed_terms = invariants.conservation().closed_terms();
  trial.worst_drift = invariants.conservation().worst();
  return trial;
}

}  // namespace starling::sim
