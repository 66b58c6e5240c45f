#include "gossip/topology.h"

#include <fmt/format.h>

#include <algorithm>

#include "gossip/graphs.h"

namespace starling::gossip {
namespace {

// Orders each pair and the list, and drops the pairs that a small generated graph has twice.
// Listed edges are a person's, so there a pair that stands twice is a mistake to report.
Result<PlainEdges> normalized(PlainEdges edges, const TopologyOptions& options) {
  for (auto& [a, b] : edges) {
    if (a > b) std::swap(a, b);
    if (b >= options.nodes) {
      return config_error(
          fmt::format("[topology] edges: found node {} in the edge {}-{}, expected 0 to {}", b, a,
                      b, options.nodes - 1));
    }
    if (a == b && options.kind == TopologyKind::edges) {
      return config_error(fmt::format(
          "[topology] edges: found the edge {}-{}, a node is no neighbor of its own", a, b));
    }
  }
  std::erase_if(edges, [](const auto& edge) { return edge.first == edge.second; });
  std::sort(edges.begin(), edges.end());
  const auto twice = std::adjacent_find(edges.begin(), edges.end());
  if (twice != edges.end() && options.kind == TopologyKind::edges) {
    return config_error(fmt::format("[topology] edges: the edge {}-{} stands twice, expected once",
                                    twice->first, twice->second));
  }
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

std::vector<Edge> edges_of(const std::vector<Way>& ways) {
  std::vector<Edge> edges;
  for (const Way& way : ways)
    edges.push_back({std::min(way.from, way.to), std::max(way.from, way.to)});
  std::ranges::sort(edges);
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

}  // namespace

Result<Topology> Topology::make(const TopologyOptions& options, std::uint64_t seed) {
  const std::vector<std::size_t> present = present_nodes(options);
  if (present.size() < 2) {
    return config_error(
        fmt::format("[topology] nodes: found {}, a flock has at least 2", present.size()));
  }
  if (gossip::is_directed(options.kind)) {
    Result<std::vector<Way>> ways = generate_ways(options);
    if (!ways) return ways.error();
    return Topology(options, std::move(*ways));
  }
  Result<PlainEdges> generated = generate_edges(options, seed);
  if (!generated) return generated.error();
  Result<PlainEdges> edges = normalized(std::move(*generated), options);
  if (!edges) return edges.error();
  if (Result<void> there = check_present(options); !there) return there.error();
  if (const auto lost = first_unreached(present, *edges)) {
    return config_error(
        fmt::format("[topology] edges: the graph is not connected, node {} does not reach node {}; "
                    "add an edge between the parts",
                    present.front(), *lost));
  }

  std::vector<std::size_t> degree(options.nodes, 0);
  for (const auto& [a, b] : *edges) ++degree[a], ++degree[b];
  std::vector<Edge> weighted;
  weighted.reserve(edges->size());
  for (const auto& [a, b] : *edges) {
    const double weight = 1.0 / (1.0 + static_cast<double>(std::max(degree[a], degree[b])));
    weighted.push_back({node_id(a), node_id(b), weight});
  }
  return Topology(options, std::move(weighted));
}

Topology::Topology(const TopologyOptions& options, std::vector<Edge> edges)
    : nodes_(options.nodes),
      left_(options.nodes, false),
      edges_(std::move(edges)),
      by_node_(options.nodes) {
  for (const std::size_t node : options.left) left_[node] = true;
  for (const std::size_t node : present_nodes(options)) present_.push_back(node_id(node));
  for (const Edge& edge : edges_) {
    by_node_[index_of(edge.low)].push_back(edge);
    by_node_[index_of(edge.high)].push_back(edge);
  }
}

Topology::Topology(const TopologyOptions& options, std::vector<Way> ways)
    : Topology(options, edges_of(ways)) {
  ways_ = std::move(ways);
  for (const Way& way : ways_) period_ = std::max(period_, way.turn + 1);
}

std::vector<NodeId> Topology::neighbors(NodeId node) const {
  std::vector<NodeId> result;
  for (const Edge& edge : by_node_[index_of(node)]) {
    result.push_back(edge.low == node ? edge.high : edge.low);
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::size_t Topology::degree(NodeId node) const { return by_node_[index_of(node)].size(); }

bool Topology::has_edge(NodeId a, NodeId b) const {
  const auto& edges = by_node_[index_of(a)];
  return a != b && std::ranges::any_of(
                       edges, [b](const Edge& edge) { return edge.low == b || edge.high == b; });
}

double Topology::weight(NodeId a, NodeId b) const {
  if (is_directed()) {
    double sum = 0;
    for (Round round = 0; round < period_; ++round) sum += share(a, b, round);
    return sum / period_;
  }
  for (const Edge& edge : by_node_[index_of(a)]) {
    if (a != b && (edge.low == b || edge.high == b)) return edge.weight;
  }
  return 0;
}

double Topology::self_weight(NodeId node) const {
  double rest = 1;
  for (const NodeId neighbor : neighbors(node)) rest -= weight(node, neighbor);
  return rest;
}

double Topology::share(NodeId from, NodeId to, Round round) const {
  if (!is_directed()) {
    return has_edge(from, to) ? 1 / (1 + static_cast<double>(degree(from))) : 0;
  }
  bool sends = false;
  double receivers = 0;
  const auto first = std::ranges::lower_bound(ways_, from, {}, &Way::from);
  for (auto way = first; way != ways_.end() && way->from == from; ++way) {
    if (way->turn != round % period_) continue;
    receivers += 1;
    sends = sends || way->to == to;
  }
  return sends ? 1 / (1 + receivers) : 0;
}

const char* name_of(TopologyKind kind) {
  switch (kind) {
    case TopologyKind::ring: return "ring";
    case TopologyKind::torus: return "torus";
    case TopologyKind::exponential: return "exponential";
    case TopologyKind::complete: return "complete";
    case TopologyKind::star: return "star";
    case TopologyKind::path: return "path";
    case TopologyKind::random_regular: return "random-regular";
    case TopologyKind::edges: return "edges";
    case TopologyKind::one_peer_exponential: return "one-peer-exponential";
    case TopologyKind::directed_edges: return "directed-edges";
  }
  return "?";
}

}  // namespace starling::gossip
