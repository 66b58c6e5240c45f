// A run file that has changed while the run goes on: what of it may, and a core that goes on with
// it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/config.h"
#include "node/core.h"
#include "node/run.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::node {

struct Reload {
  Run run;  // the running one with the new graph, nodes, addresses and limits, and nothing else
  // The nodes, edges or weights are others, so the core has to be succeeded; else addresses and
  // limits alone.
  bool graph_changed = false;
  // This node was away: it begins as a new one does.
  bool begins_anew = false;
  // For people, each a clause: "n4 joins", "the edge to n2 is gone".
  std::vector<std::string> changes = {};
  // What has changed and waits: "[run] rounds: 200, 100 until then".
  std::vector<std::string> at_next_start = {};
};

// What a reload makes of the run that goes on at node `self`. [topology], [[node]] and [limits] may
// change: nodes are appended, leave (left = true) and move to other addresses; they keep their
// places in the list, for random keys, shares of the data and ledgers go by them. What the nodes of
// a run may have of their own anyway ([train], rounds, [checkpoint], [metrics] …) waits for the
// next start. Fails (ErrorCode::config) with the first thing that may not change, both values and
// the place, as load_run does (a graph that is not connected or not for the algorithm, data that
// are not there), and as check_means does (limits.h). Nothing has happened then.
Result<Reload> plan_reload(const Run& running, NodeId self, const Config& fresh);

// What the run becomes when this node has heard who is away; nothing where that is not new here. A
// node that hears that it is away itself comes back. Fails (ErrorCode::config) where too few take
// part.
Result<std::optional<Reload>> plan_regrouping(const Run& running, NodeId self,
                                              const Membership& told);

// A core of the new run in the place of one that has said HandOver: Core::succeed, or replace.
std::unique_ptr<Core> succeed(Core& before, const Reload& reload, NodeId self,
                              CheckpointPlan checkpoints, Time now);

}  // namespace starling::node
