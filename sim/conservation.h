// What mixing adds at one end of an edge it takes away at the other: checked for every exchange.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/ids.h"

namespace starling::sim {

// What an end of an edge added to Algorithm::conserved(), whose exact negative the other end adds.
struct Term {
  NodeId self, peer;       // hosts
  Epoch history;           // of the edge
  std::uint64_t lives;     // of both hosts: after a restart the same name may be another exchange
  std::uint64_t exchange;  // which one of that history, from 1
  std::optional<Round> dual_in = std::nullopt;  // set: not the exchange itself, but the edge's dual
                                                // after it, in the local step of this round
};

// What one event of one host did to Algorithm::conserved(), its local step left out.
struct Move {
  std::vector<double> by;
  double largest = 0;  // |x| in it, before or after
  std::vector<Term> terms = {};
};

// Collects the moves that share terms in a group, until each term of the group has its negative in
// it. Then the sum of the moves has to be 0 but for rounding: 8 · moves · max|x| · 2^-24 for a
// coordinate (reliability specification, I1). A group is a whole exchange of all nodes where they
// are in step, and a pair of nodes where each edge has exchanges of its own. One thread.
//
// A group stays open while an end lacks an exchange, and for ever where an end lost its memory of
// one. The newest kOpenMax are kept.
class Conservation {
 public:
  static constexpr std::size_t kOpenMax = 64;

  // Returns what does not cancel, if so.
  std::optional<std::string> note(Move move);

  std::uint64_t closed_terms() const { return closed_terms_; }  // in pairs
  std::uint64_t all_terms() const { return all_terms_; }
  // The largest sum of a closed group, in moves · max|x| · 2^-24.
  double worst() const { return worst_; }

 private:
  struct Key {
    NodeId low, high;
    Epoch history;
    std::uint64_t lives, exchange;
    std::optional<Round> dual_in;
    auto operator<=>(const Key&) const = default;
  };
  struct Group {
    Move sum;
    std::uint64_t moves = 0, terms = 0;
    std::set<Key> open = {};  // terms without their negative
  };
  struct Half {
    std::uint64_t group;
    NodeId self;
  };

  void take_over(std::uint64_t from, std::uint64_t into);
  std::optional<std::string> close(const Group& group);
  void forget_oldest();

  std::map<std::uint64_t, Group> groups_;  // in the order in which they were last joined
  std::map<Key, Half> halves_;
  std::uint64_t next_ = 0, closed_terms_ = 0, all_terms_ = 0;
  double worst_ = 0;
};

}  // namespace starling::sim
