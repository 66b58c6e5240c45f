// The generated graphs, as plain lists of edges. Used by Topology::make alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "gossip/options.h"
#include "protocol/result.h"

namespace starling::gossip {

using PlainEdges = std::vector<std::pair<std::size_t, std::size_t>>;

// The edges of options.kind on options.nodes nodes, in any order, each pair in any order. A pair
// may stand twice where a small graph closes on itself (a ring of two). Fails (ErrorCode::config)
// for an impossible number of nodes or degree.
Result<PlainEdges> generate_edges(const TopologyOptions& options, std::uint64_t seed);

// Whether every node can be reached from every other; no node is an unconnected graph.
bool is_connected(std::size_t nodes, const PlainEdges& edges);

}  // namespace starling::gossip
