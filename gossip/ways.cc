#include "gossip/ways.h"

#include <fmt/format.h>

#include <algorithm>

#include "gossip/graphs.h"

namespace starling::gossip {
namespace {

std::vector<Way> one_peer_exponential(const std::vector<std::size_t>& present) {
  const std::size_t n = present.size();
  std::vector<Way> ways;
  std::uint32_t turn = 0;
  for (std::size_t hop = 1; hop < n; hop *= 2, ++turn) {
    for (std::size_t i = 0; i < n; ++i) {
      ways.push_back({node_id(present[i]), node_id(present[(i + hop) % n]), turn});
    }
  }
  return ways;
}

Result<std::vector<Way>> listed(const TopologyOptions& options) {
  std::vector<Way> ways;
  for (const auto& [from, to] : options.edges) {
    if (std::max(from, to) >= options.nodes) {
      return config_error(
          fmt::format("[topology] edges: found node {} in the edge {}-{}, expected 0 to {}",
                      std::max(from, to), from, to, options.nodes - 1));
    }
    if (from == to) {
      return config_error(fmt::format(
          "[topology] edges: found the edge {}-{}, a node is no neighbor of its own", from, to));
    }
    ways.push_back({node_id(from), node_id(to)});
  }
  std::ranges::sort(ways);
  const auto twice = std::ranges::adjacent_find(ways);
  if (twice == ways.end()) return ways;
  return config_error(fmt::format(
      "[topology] edges: the edge {}-{} stands twice in the same direction, expected once",
      index_of(twice->from), index_of(twice->to)));
}

Error not_connected(std::size_t from, std::size_t to) {
  return config_error(fmt::format(
      "[topology] edges: the directed graph is not strongly connected, no way leads from node {} "
      "to node {}; add one",
      from, to));
}

}  // namespace

bool is_directed(TopologyKind kind) {
  return kind == TopologyKind::one_peer_exponential || kind == TopologyKind::directed_edges;
}

Result<std::vector<Way>> generate_ways(const TopologyOptions& options) {
  const std::vector<std::size_t> present = present_nodes(options);
  if (options.kind == TopologyKind::one_peer_exponential) {
    std::vector<Way> ways = one_peer_exponential(present);
    std::ranges::sort(ways);
    return ways;
  }
  Result<std::vector<Way>> ways = listed(options);
  if (!ways) return ways;
  if (Result<void> there = check_present(options); !there) return there.error();
  if (const auto node = first_unreached(present, options.edges, Along::forward)) {
    return not_connected(present.front(), *node);
  }
  if (const auto node = first_unreached(present, options.edges, Along::backward)) {
    return not_connected(*node, present.front());
  }
  return ways;
}

}  // namespace starling::gossip
