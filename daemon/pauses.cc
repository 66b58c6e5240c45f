#include "daemon/pauses.h"

namespace starling::daemon {
namespace {

constexpr const char* kTraining = "its operator has paused the node";
constexpr const char* kLink = "its operator has paused this link";

}  // namespace

void Pauses::pause_training() {
  wanted_ = true;
  engine_.post(node::PauseRequested{true});
}

void Pauses::resume_training() {
  wanted_ = false;
  // First, so that the core does not begin a round alone while they come up.
  if (rests_) {
    for (const peer::LinkStatus& link : links_.status()) {
      if (!links_paused_.contains(link.peer)) links_.release(link.peer);
    }
  }
  rests_ = false;
  engine_.post(node::PauseRequested{false});
}

void Pauses::pause_link(NodeId peer) {
  links_paused_.insert(peer);
  links_.hold(peer, kLink);
}

void Pauses::resume_link(NodeId peer) {
  links_paused_.erase(peer);
  if (!rests_) links_.release(peer);
}

void Pauses::progressed(const node::Progress& progress) {
  if (!wanted_ || rests_ || progress.phase != node::Phase::paused) return;
  rests_ = true;
  hold_all();
}

void Pauses::rewired() {
  std::set<NodeId> there;
  for (const peer::LinkStatus& link : links_.status()) there.insert(link.peer);
  std::erase_if(links_paused_, [&](NodeId peer) { return !there.contains(peer); });
  if (rests_) hold_all();
}

void Pauses::hold_all() {
  for (const peer::LinkStatus& link : links_.status()) links_.hold(link.peer, kTraining);
}

}  // namespace starling::daemon
