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
// enters the receiver's downlink after what came in before it. Nothing is lost or overtaken on a
// link; what a fault does to it is the simulation's affair.
//
// Each message is asked about twice, and each time `now` ascends: who comes first at a downlink is
// known only when it is there.
class Network {
 public:
  Network(std::size_t nodes, LinkModel model);

  // When the first byte of a message that is sent at `now` reaches the receiver.
  Time reached(NodeId from, std::uint64_t bytes, Time now);
  // When the last byte is there of a message whose first byte reaches the receiver at `now`.
  Time received(NodeId to, std::uint64_t bytes, Time now);

 private:
  Duration transmission(std::uint64_t bytes) const;

  const LinkModel model_;
  std::vector<Time> uplink_free_, downlink_free_;
};

}  // namespace starling::sim
