// Graphs as plain lists of edges: those that are generated, and what they connect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "gossip/options.h"
#include "protocol/result.h"

namespace starling::gossip {

using PlainEdges = std::vector<std::pair<std::size_t, std::size_t>>;

// The edges of options.kind on the nodes that have not left, in any order, each pair in any order.
// A pair may stand twice where a small graph closes on itself (a ring of two). Fails
// (ErrorCode::config) for an impossible number of nodes or degree.
Result<PlainEdges> generate_edges(const TopologyOptions& options, std::uint64_t seed);

// Which way an edge (a, b) leads.
enum class Along { both, forward, backward };

// The numbers of the nodes that have not left, ascending.
std::vector<std::size_t> present_nodes(const TopologyOptions& options);

// Fails (ErrorCode::config) where an end of a listed edge has left.
Result<void> check_present(const TopologyOptions& options);

// The first of `nodes` (numbers, ascending) that the first of them does not reach, if any.
std::optional<std::size_t> first_unreached(std::span<const std::size_t> nodes,
                                           const PlainEdges& edges, Along along = Along::both);

}  // namespace starling::gossip
