// Who mixes with whom, and with which weight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gossip/options.h"
#include "gossip/ways.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::gossip {

struct Edge {
  NodeId low, high;   // low < high
  double weight = 0;  // of a directed graph 0
  auto operator<=>(const Edge&) const = default;
};

// Eigenvalues of the mixing matrix W: 1 = λ1 >= λ2 >= … >= λn.
struct Spectrum {
  double lambda_2 = 0, lambda_n = 0;
  // 1 - max(|λ2|, |λn|): how much of the disagreement one averaging step removes at least.
  double gap() const;
  // s = 2 / (2 - λ2 - λn), the best over-relaxation of x <- x + s(W - I)x, and the gap with it.
  double optimal_relaxation() const;
  double gap_at_optimal_relaxation() const;
};

// A connected simple graph with Metropolis-Hastings weights w_ij = 1 / (1 + max(deg_i, deg_j)) and
// w_ii = 1 - Σ_j w_ij; or a strongly connected directed one, which has no such weights and serves
// push-sum alone. Its edges and neighbors are those of the graph without directions: a link carries
// both ways, whichever of them is used. Nodes that have left have no edges. A value; every thread.
class Topology {
 public:
  // Fails (ErrorCode::config) with a sentence about the key under [topology] that is wrong: a node
  // outside the range, an edge to itself, an edge twice, a graph that is not (strongly) connected,
  // an impossible degree or torus. `seed` draws the random-regular graph; nothing else depends on
  // it.
  static Result<Topology> make(const TopologyOptions& options, std::uint64_t seed);

  // Numbers that nodes have, those that have left included.
  std::size_t nodes() const { return nodes_; }
  bool has_left(NodeId node) const { return left_[index_of(node)]; }
  // Ascending.
  const std::vector<NodeId>& present() const { return present_; }
  const std::vector<Edge>& edges() const { return edges_; }  // ascending
  // Ascending.
  std::vector<NodeId> neighbors(NodeId node) const;
  std::size_t degree(NodeId node) const;
  bool has_edge(NodeId a, NodeId b) const;
  // w_ab, 0 where there is no edge. On a directed graph the share that a hands to b, averaged over
  // the rounds, and what it keeps.
  double weight(NodeId a, NodeId b) const;
  double self_weight(NodeId node) const;
  // Of the nodes that have not left. O(n³); a second at a few hundred nodes. Not of a directed
  // graph.
  Spectrum spectrum() const;

  bool is_directed() const { return !ways_.empty(); }
  const std::vector<Way>& ways() const { return ways_; }  // ascending; none of other graphs
  std::uint32_t period() const { return period_; }        // rounds after which ways repeat
  // What push-sum hands on of itself: 1 / (1 + the nodes that `from` sends to in that round), or 0
  // where `to` is none of them. Without directions every neighbor is one in every round.
  double share(NodeId from, NodeId to, Round round) const;

  bool operator==(const Topology&) const = default;

 private:
  Topology(const TopologyOptions& options, std::vector<Edge> edges);
  Topology(const TopologyOptions& options, std::vector<Way> ways);

  std::size_t nodes_ = 0;
  std::vector<bool> left_;
  std::vector<NodeId> present_;
  std::vector<Edge> edges_;
  std::vector<Way> ways_;
  std::uint32_t period_ = 1;
  std::vector<std::vector<Edge>> by_node_;
};

const char* name_of(TopologyKind kind);

}  // namespace starling::gossip
