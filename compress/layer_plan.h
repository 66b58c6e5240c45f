// Which level each tensor of a message has, so that the errors of all are least.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "protocol/archive.h"

namespace starling::compress {

struct LevelCost {
  double bytes, error;
};

// One level of each part such that Σ error is least under Σ bytes <= `bytes`, by dynamic
// programming over parts and 4096 steps of bytes (L-GreCo, Markov et al. 2210.17357, with error and
// size in each other's places); sizes are rounded up to steps. Where not even the lowest levels
// fit, those. parts · levels · 4096 steps of work.
std::vector<std::size_t> least_error_levels(std::span<const std::vector<LevelCost>> parts,
                                            double bytes);

// The levels of a message's tensors, planned anew every kPlanRounds messages from the mean of the
// errors since; until all tensors have been seen once, each has what its share of the bytes buys.
class LayerPlan {
 public:
  static constexpr std::uint64_t kPlanRounds = 100;

  // The level of this part of the message, whose levels cost that much; parts come in ascending
  // order, the first one with what all of them may take together, `share` of which is this one's.
  std::size_t choose(std::size_t part, std::span<const LevelCost> levels, double bytes,
                     double share);

  void archive(Archive& archive);

 private:
  void begin_message(double bytes);

  std::vector<std::vector<LevelCost>> costs_;  // of each part, means since the last plan
  std::vector<std::size_t> plan_;              // empty: there is none yet
  std::uint64_t messages_ = 0;                 // since
  // Of the newest call; a part that is not behind it begins a message.
  std::size_t last_ = std::numeric_limits<std::size_t>::max();
};

}  // namespace starling::compress
