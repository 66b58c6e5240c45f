#include "gossip/ways.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace starling::gossip {
namespace {

Error config_error(std::string message) { return {ErrorCode::config, std::move(message)}; }

std::vector<Way> one_peer_exponential(std::size_t n) {
  std::vector<Way> ways;
  std::uint32_t turn = 0;
  for (std::size_t hop = 1; hop < n; hop *= 2, ++turn) {
    for (std::size_t i = 0; i < n; ++i) ways.push_back({node_id(i), node_id((i + hop) % n), turn});
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

// The first node that node 0 does not reach: along the ways, or against them.
std::optional<std::size_t> unreached(std::size_t nodes, const std::vector<Way>& ways,
                                     NodeId Way::*from, NodeId Way::*to) {
  std::vector<bool> reached(nodes, false);
  reached[0] = true;
  for (bool grew = true; grew;) {
    grew = false;
    for (const Way& way : ways) {
      if (!reached[index_of(way.*from)] || reached[index_of(way.*to)]) continue;
      reached[index_of(way.*to)] = grew = true;
    }
  }
  const auto lost = std::ranges::find(reached, false);
  if (lost == reached.end()) return std::nullopt;
  return static_cast<std::size_t>(lost - reached.begin());
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
  if (options.kind == TopologyKind::one_peer_exponential) {
    std::vector<Way> ways = one_peer_exponential(options.nodes);
    std::ranges::sort(ways);
    return ways;
  }
  Result<std::vector<Way>> ways = listed(options);
  if (!ways) return ways;
  if (const auto node = unreached(options.nodes, *ways, &Way::from, &Way::to)) {
    return not_connected(0, *node);
  }
  if (const auto node = unreached(options.nodes, *ways, &Way::to, &Way::from)) {
    return not_connected(*node, 0);
  }
  return ways;
}

}  // namespace starling::gossip
