#include "sim/network.h"

#include <algorithm>
#include <cmath>

namespace starling::sim {

Network::Network(std::size_t nodes, LinkModel model)
    : model_(model), uplink_free_(nodes, Time{0}), downlink_free_(nodes, Time{0}) {}

Duration Network::transmission(std::uint64_t bytes) const {
  if (model_.bytes_per_second <= 0) return Duration{0};
  const double nanoseconds = static_cast<double>(bytes) / model_.bytes_per_second * 1e9;
  return Duration{static_cast<Duration::rep>(std::ceil(nanoseconds))};
}

Time Network::reached(NodeId from, std::uint64_t bytes, Time now) {
  Time& uplink = uplink_free_[index_of(from)];
  const Time first_byte = std::max(uplink, now);
  uplink = first_byte + transmission(bytes);
  return first_byte + model_.delay;
}

Time Network::received(NodeId to, std::uint64_t bytes, Time now) {
  Time& downlink = downlink_free_[index_of(to)];
  downlink = std::max(downlink, now) + transmission(bytes);
  return downlink;
}

}  // namespace starling::sim
