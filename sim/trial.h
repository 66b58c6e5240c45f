// A run under the faults of one seed, with everything checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "node/run.h"
#include "protocol/result.h"
#include "sim/adversary.h"
#include "sim/invariants.h"

namespace starling::sim {

// What came of it.
struct Trial {
  FaultPlan plan;
  std::optional<std::string> broken;  // the first invariant that did not hold, and when
  std::string events = {};            // the last ones before it, where one is broken
  std::uint64_t trace = 0;            // Invariants::trace_hash
  EdgeCounts edges = {};
  std::uint64_t refused_twins = 0, refused_mismatches = 0;
  Duration recovery{0};                       // Invariants::recovery
  std::uint64_t terms = 0, closed_terms = 0;  // Conservation
  double worst_drift = 0;                     // likewise
};

// The virtual time that the run takes without faults. Fails with ErrorCode::diverged.
Result<Duration> fault_free_length(const node::Run& run, const SimulationOptions& options);

// `options`: of machines and links without faults. The flock has 20 times its undisturbed length,
// and a minute for the deadlines of late neighbors. Equal arguments, equal trials, to the last bit.
Trial play(const node::Run& run, const SimulationOptions& options, const Undisturbed& undisturbed,
           std::uint64_t seed);

}  // namespace starling::sim
