// How a node is, for monitors: what `starling status --check` prints and ends with.
#pragma once

#include <string>
#include <vector>

#include "protocol/control.pb.h"

namespace starling::daemon {

// From good to bad. degraded: a neighbor is away or left out. stalled: it trains, and no round has
// ended for longer than may be. down: all neighbors are away, or the node does not answer.
enum class Health { healthy, degraded, stalled, down };

const char* name_of(Health health);
// 0 healthy, 1 degraded, 2 stalled or down.
int exit_code_of(Health health);

struct HealthReport {
  Health health = Health::healthy;
  std::vector<std::string> reasons =
      {};  // each a clause about the node; some of a healthy one, too
};

// Of a node that has answered both. One that its operator has paused is healthy.
HealthReport health_of(const control::StatusReply& status, const control::PeersReply& peers);

}  // namespace starling::daemon
