// What is told of an edge that comes back after a break.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gossip/algorithm.h"
#include "protocol/ids.h"

namespace starling::node {

// The edge to `peer` is in use again.
struct EdgeHealed {
  NodeId peer;
  Duration apart{0};  // from the break to the settlement
  Round rounds = 0;   // that this node began meanwhile
  gossip::Reunion reunion = {};
  // What it cost, in frames with their headers, both ways: settlements and joinings; messages that
  // were sent once more; openings, which bring a neighbor up to date.
  std::uint64_t settling_bytes = 0, replay_bytes = 0, opening_bytes = 0;

  // A break so short that nobody wants to hear of it.
  bool is_moment() const { return apart < std::chrono::seconds{1} && rounds < 2; }
};

// In one line, behind the neighbor's name.
std::string describe(const EdgeHealed& healed);

// Follows one edge from a break to the first exchange after it. Engine thread.
class Healing {
 public:
  // `round`: the one under way, or the next one.
  void broke(Time now, Round round);
  void link_up();
  // Every frame of the edge, from link_up on.
  void sent(const gossip::Parcel& parcel) { count(parcel, sent_exchange_); }
  void received(const gossip::Parcel& parcel) { count(parcel, received_exchange_); }
  // Returns whether a break is known: a node that was away itself knows of none.
  bool settled(const gossip::Reunion& reunion, Time now, Round round);
  // Once, when both ends have sent a message of an exchange after the settlement.
  std::optional<EdgeHealed> healed(NodeId peer);

 private:
  struct Break {
    Time at;
    Round round;
  };
  void count(const gossip::Parcel& parcel, bool& exchanged);

  std::optional<Break> break_;
  EdgeHealed healed_ = {};
  bool settled_ = false, sent_exchange_ = false, received_exchange_ = false;
};

}  // namespace starling::node
