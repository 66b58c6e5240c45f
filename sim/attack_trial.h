// A run in which one node lies, and what the others come to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "node/run.h"
#include "sim/attack.h"
#include "sim/simulation.h"

namespace starling::sim {

// At the end of the run, over all nodes but `liar`, whether it lies or not.
struct AttackOutcome {
  double accuracy_mean = 0, accuracy_worst = 0;
  std::uint64_t rejected = 0;  // messages of the liar that its neighbors refused
  std::optional<std::string> failure = std::nullopt;  // the first honest node that gave up: why
};

// `kind` none: everybody is honest. Of a run with an accuracy (data.kind is not quadratic).
AttackOutcome play_attack(const node::Run& run, const SimulationOptions& options, NodeId liar,
                          std::optional<AttackKind> kind);

}  // namespace starling::sim
