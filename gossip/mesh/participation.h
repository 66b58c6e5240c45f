// Which nodes take part in a round, and how much each then counts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "protocol/archive.h"
#include "protocol/ids.h"
#include "protocol/random.h"

namespace starling::gossip {

// Partial participation under any distribution: node i is there with probability p_i, and its
// piece counts 1 / p_i times, so that the sum stays right on average (Horváth and Richtárik 2020,
// 2006.11077, §4.3; mesh specification §8). Not 1 over how many came: where data differ that
// would prefer those who are there often.
//
// p_i as listed, with which the node draws whether it sits a round out; or the share of this
// owner's rounds in which its piece came.
class Participation {
 public:
  Participation() = default;  // all, always
  // `listed`: of each node, above 0; empty: 1. `self`: this node's place; `seed`: of the run.
  Participation(std::vector<double> listed, bool by_uptime, std::size_t nodes, std::size_t self,
                std::uint64_t seed)
      : listed_(std::move(listed)), seen_(by_uptime ? nodes : 0), self_(self), seed_(seed) {}

  bool is_partial() const { return !listed_.empty() || !seen_.empty(); }
  // Whether this node has nothing to send in this round.
  bool rests(Round round) const {
    if (listed_.empty() || listed_[self_] >= 1) return false;
    return Random(seed_, Stream::participation, {self_}).uniform(round) >= listed_[self_];
  }
  double weight(std::size_t node) const {
    if (!seen_.empty()) {
      return static_cast<double>(rounds_ + 1) / static_cast<double>(seen_[node] + 1);
    }
    return listed_.empty() ? 1 : 1 / listed_[node];
  }
  void has_come(std::size_t node) {
    if (!seen_.empty()) seen_[node] = std::min(seen_[node] + 1, rounds_ + 1);
  }
  void end_round() { ++rounds_; }

  void archive(Archive& archive) {
    if (seen_.empty()) return;
    archive.number("rounds", rounds_);
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      archive.number("seen." + std::to_string(i), seen_[i]);
    }
  }
  void rewired() {
    std::ranges::fill(seen_, 0);
    rounds_ = 0;
  }

 private:
  std::vector<double> listed_;
  std::vector<std::uint64_t> seen_;  // rounds with a piece of each node; none: by listed_
  std::uint64_t rounds_ = 0;
  std::size_t self_ = 0;
  std::uint64_t seed_ = 0;
};

}  // namespace starling::gossip
