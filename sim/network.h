// When a message arrives: links with a delay and a bandwidth, in virtual time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "protocol/ids.h"

namespace starling::sim {

struct LinkModel {
  Duration delay{0};            // one way
  double bytes_per_second = 0;  // of every node's uplink and of its downlink; 0: unlimited
};

// A message leaves the sender's uplink after what is queued there, travels for the delay, and
// enters the receiver's downlink after what is queued there. Nothing is lost or overtaken on a
// link; what a fault does to it is the simulation's affair.
class Network {
 public:
  Network(std::size_t nodes, LinkModel model);

  // The time at which the last byte of a message sent at `now` has arrived.
  Time arrival(NodeId from, NodeId to, std::uint64_t bytes, Time now);

 private:
  const LinkModel model_;
  std::vector<Time> uplink_free_, downlink_free_;
};

}  // namespace starling::sim
