// Who takes part in a mesh while it runs: what its nodes know of who is away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/archive.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::node {

// A number for each node of the run file: even while it takes part, odd while it is away and its
// shard is the others'. A number only grows, and of two the larger one is the newer; so nodes that
// know different things join them, in any order, and know the same (a state-based CRDT, Shapiro et
// al. 2011, §3.1, of incarnation numbers as in SWIM, Das et al. 2002, §4.2). A node that hears that
// it is away comes back with the next number. A value; every thread.
class Membership {
 public:
  bool is_away(NodeId node) const { return number(node) % 2 == 1; }
  // Ascending.
  std::vector<NodeId> away() const;
  std::uint32_t number(NodeId node) const;

  // The same, and these are away, which took part.
  Membership without(std::span<const NodeId> nodes) const;
  // Of a node that is away.
  void come_back(NodeId node) { ++numbers_[node]; }
  // Whether anything was newer there.
  bool join(const Membership& other);

  // "none", or node and number of those that were ever away: "4:1,6:2".
  std::string text() const;
  // Of a run of that many nodes. Fails (ErrorCode::peer) with what was found and what was expected.
  static Result<Membership> parse(std::string_view text, std::size_t nodes);
  void archive(Archive& archive, std::size_t nodes);

  bool operator==(const Membership&) const = default;

 private:
  // Beyond what a run can come to; so that a number that was made up does not overflow.
  static constexpr std::uint32_t kMost = 1'000'000;

  std::map<NodeId, std::uint32_t> numbers_;  // those above 0
};

}  // namespace starling::node
