// When a flock is accurate enough.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "protocol/ids.h"

namespace starling::daemon {

// The first evaluation at which the worst node had the wanted accuracy.
struct Reached {
  Round round = 0;
  double train_seconds = 0;  // of the slowest node then, evaluations left out
};

// Collects the nodes' evaluations, in any order and however often, until one round's are complete
// and good enough. One thread.
class Goal {
 public:
  explicit Goal(double accuracy) : accuracy_(accuracy) {}

  void note(Round round, const std::string& node, double accuracy, double train_seconds);
  // The lowest round that `nodes` nodes have told of and whose worst accuracy suffices.
  std::optional<Reached> reached(std::size_t nodes) const;

 private:
  struct Seen {
    double accuracy, train_seconds;
  };
  double accuracy_;
  std::map<Round, std::map<std::string, Seen>> by_round_;
};

}  // namespace starling::daemon
