// When a message arrives: links with a delay and a bandwidth, in virtual time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/ids.h"

namespace starling::sim {

struct LinkModel {
  Duration delay{0};            // one way
  Duration jitter{0};           // a message takes up to that much longer, uniformly
  double bytes_per_second = 0;  // of every node's uplink and of its downlink; 0: unlimited
};

// A link that differs from the others, in both directions.
struct SingleLink {
  NodeId a, b;
  std::optional<Duration> delay = std::nullopt;  // in place of the model's
  double bytes_per_second = 0;  // of the link alone, beside both ends' own; 0: unlimited
};

// From then on all bandwidths are that many times what they are without.
struct BandwidthChange {
  Time from;
  double factor;  // above 0
};

struct NetworkOptions {
  LinkModel model = {};
  std::vector<SingleLink> links = {};         // of one link the last counts
  std::vector<BandwidthChange> changes = {};  // ascending
  std::uint64_t seed = 0;                     // of the jitter
};

// A message leaves the sender's uplink after what is queued there, travels for the delay, and
// enters the receiver's downlink after what came in before it. The k-th message from a to b has its
// jitter from (seed, a, b, k). Nothing is lost or overtaken on a link; what a fault does to it is
// the simulation's affair.
//
// Each message is asked about twice, and each time `now` ascends: who comes first at a downlink is
// known only when it is there.
class Network {
 public:
  Network(std::size_t nodes, NetworkOptions options);

  // Room for more nodes.
  void grow(std::size_t nodes);

  // When the first byte of a message that is sent at `now` reaches the receiver.
  Time reached(NodeId from, NodeId to, std::uint64_t bytes, Time now);
  // When the last byte is there of a message whose first byte reaches the receiver at `now`.
  Time received(NodeId from, NodeId to, std::uint64_t bytes, Time now);

 private:
  // One direction of a link.
  struct Way {
    Duration delay;
    double bytes_per_second;
    std::uint64_t messages = 0;
    Time free{0};  // when the far end is done with what came before
  };
  Way& way(NodeId from, NodeId to);
  // By the bandwidth at its begin.
  Duration transmission(std::uint64_t bytes, double bytes_per_second, Time begin) const;
  Duration jitter_of(NodeId from, NodeId to, std::uint64_t message) const;

  const LinkModel model_;
  const std::vector<BandwidthChange> changes_;
  const std::uint64_t seed_;
  std::vector<Time> uplink_free_, downlink_free_;
  std::map<std::pair<NodeId, NodeId>, Way> ways_;
};

}  // namespace starling::sim
