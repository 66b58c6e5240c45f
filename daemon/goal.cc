#include "daemon/goal.h"

#include <algorithm>

namespace starling::daemon {

void Goal::note(Round round, const std::string& node, double accuracy, double train_seconds) {
  by_round_[round][node] = {accuracy, train_seconds};
}

std::optional<Reached> Goal::reached(std::size_t nodes) const {
  for (const auto& [round, by_node] : by_round_) {
    if (by_node.empty() || by_node.size() < nodes) continue;
    Reached reached{round, 0};
    double worst = 1;
    for (const auto& [name, seen] : by_node) {
      worst = std::min(worst, seen.accuracy);
      reached.train_seconds = std::max(reached.train_seconds, seen.train_seconds);
    }
    if (worst >= accuracy_) return reached;
  }
  return std::nullopt;
}

}  // namespace starling::daemon
