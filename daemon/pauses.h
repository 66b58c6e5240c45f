// What an operator has paused: the training of this node, or the link to a neighbor.
#pragma once

#include <set>
#include <vector>

#include "daemon/engine.h"
#include "peer/links.h"
#include "protocol/ids.h"

namespace starling::daemon {

// A node that rests has no links, so that its neighbors go on as without it. None of this outlives
// the process. io thread only.
class Pauses {
 public:
  // Both outlive it.
  Pauses(Engine& engine, peer::Links& links) : engine_(engine), links_(links) {}

  void pause_training();
  void resume_training();
  void pause_link(NodeId peer);
  void resume_link(NodeId peer);

  // To be told of each: the core may have come to rest, or have begun anew with other neighbors.
  void progressed(const node::Progress& progress);
  void rewired();

 private:
  void hold_all();

  Engine& engine_;
  peer::Links& links_;
  bool wanted_ = false;
  bool rests_ = false;  // the core does, and all links are held
  std::set<NodeId> links_paused_;
};

}  // namespace starling::daemon
