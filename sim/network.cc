#include "sim/network.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "protocol/random.h"

namespace starling::sim {

Network::Network(std::size_t nodes, NetworkOptions options)
    : model_(options.model),
      changes_(std::move(options.changes)),
      seed_(options.seed),
      uplink_free_(nodes, Time{0}),
      downlink_free_(nodes, Time{0}) {
  for (const SingleLink& link : options.links) {
    for (const auto& ends : {std::pair{link.a, link.b}, std::pair{link.b, link.a}}) {
      ways_.insert_or_assign(ends, Way{link.delay.value_or(model_.delay), link.bytes_per_second});
    }
  }
}

void Network::grow(std::size_t nodes) {
  uplink_free_.resize(std::max(nodes, uplink_free_.size()), Time{0});
  downlink_free_.resize(uplink_free_.size(), Time{0});
}

Duration Network::transmission(std::uint64_t bytes, double bytes_per_second, Time begin) const {
  if (bytes_per_second <= 0) return Duration{0};
  const auto next = std::ranges::upper_bound(changes_, begin, {}, &BandwidthChange::from);
  const double factor = next == changes_.begin() ? 1 : std::prev(next)->factor;
  const double nanoseconds = static_cast<double>(bytes) / (factor * bytes_per_second) * 1e9;
  return Duration{static_cast<Duration::rep>(std::ceil(nanoseconds))};
}

Network::Way& Network::way(NodeId from, NodeId to) {
  return ways_.try_emplace({from, to}, Way{model_.delay, 0}).first->second;
}

Duration Network::jitter_of(NodeId from, NodeId to, std::uint64_t message) const {
  if (model_.jitter <= Duration{0}) return Duration{0};
  const Random random(seed_, Stream::link_jitter, {index_of(from), index_of(to)});
  const auto bound = static_cast<std::uint64_t>(model_.jitter.count());
  return Duration{static_cast<Duration::rep>(random.below(message, bound + 1))};
}

// The first byte stays a link's transmission behind that of the message before, whatever their
// jitter, so that the last ones do not change places.
Time Network::reached(NodeId from, NodeId to, std::uint64_t bytes, Time now) {
  Time& uplink = uplink_free_[index_of(from)];
  const Time first_byte = std::max(uplink, now);
  uplink = first_byte + transmission(bytes, model_.bytes_per_second, first_byte);
  Way& link = way(from, to);
  const Duration travel = link.delay + jitter_of(from, to, link.messages++);
  const Time there = std::max(link.free, first_byte + travel);
  link.free = there + transmission(bytes, link.bytes_per_second, there);
  return there;
}

Time Network::received(NodeId from, NodeId to, std::uint64_t bytes, Time now) {
  Time& downlink = downlink_free_[index_of(to)];
  const Time begin = std::max(downlink, now);
  downlink = begin + transmission(bytes, model_.bytes_per_second, begin);
  return std::max(downlink, now + transmission(bytes, way(from, to).bytes_per_second, now));
}

}  // namespace starling::sim
