#include "sim/network.h"

#include <algorithm>
#include <cmath>

namespace starling::sim {

Network::Network(std::size_t nodes, LinkModel model)
    : model_(model), uplink_free_(nodes, Time{0}), downlink_free_(nodes, Time{0}) {}

Time Network::arrival(NodeId from, NodeId to, std::uint64_t bytes, Time now) {
  Duration transmission{0};
  if (model_.bytes_per_second > 0) {
    const double nanoseconds = static_cast<double>(bytes) / model_.bytes_per_second * 1e9;
    transmission = Duration{static_cast<Duration::rep>(std::ceil(nanoseconds))};
  }
  Time& uplink = uplink_free_[index_of(from)];
  uplink = std::max(uplink, now) + transmission;
  // Store and forward: the first byte reaches the downlink one transmission before the last.
  Time& downlink = downlink_free_[index_of(to)];
  downlink = std::max(downlink + transmission, uplink + model_.delay);
  return downlink;
}

}  // namespace starling::sim
