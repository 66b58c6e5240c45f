// Directed graphs, as lists of who sends to whom. Used by Topology::make alone.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "gossip/options.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::gossip {

// `from` sends to `to` in every round r with r mod (turns of the graph) = turn.
struct Way {
  NodeId from, to;
  std::uint32_t turn = 0;
  auto operator<=>(const Way&) const = default;
};

bool is_directed(TopologyKind kind);

// The ways of a directed kind on the nodes that have not left, at least two, ascending. Fails
// (ErrorCode::config) for listed ways as Topology::make does, and where one node is not reached
// from another.
//
// One peer (Assran et al. 2019, appendix; Ying et al. 2021): in round r node i sends to
// i + 2^(r mod ⌈log2 n⌉). Where n is a power of two, ⌈log2 n⌉ such rounds average exactly.
Result<std::vector<Way>> generate_ways(const TopologyOptions& options);

}  // namespace starling::gossip
