// Which rows of its share a node uses in a step. Engine thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "protocol/ids.h"

namespace starling::train {

// Goes through the share in a fresh random order every epoch, without replacement; a batch may end
// one epoch and begin the next, so every row is used equally often. The rows are a function of
// (seed, node, step), not of the calls made before: steps may be jumped over or repeated.
class Batches {
 public:
  // batch = 0, or more than `rows`: all rows, in their order. Requires rows ≥ 1.
  Batches(std::uint64_t seed, NodeId node, std::size_t rows, std::size_t batch);

  std::size_t size() const { return positions_.size(); }  // rows a step
  bool whole_share() const { return positions_.size() == order_.size(); }

  // Positions in the share, below `rows`. Valid until the next call.
  std::span<const std::uint32_t> at(std::uint64_t step);

 private:
  void enter(std::uint64_t epoch);

  const std::uint64_t seed_;
  const NodeId node_;
  std::uint64_t epoch_ = 0;
  std::vector<std::uint32_t> order_;      // of epoch_
  std::vector<std::uint32_t> positions_;  // the current batch
};

}  // namespace starling::train
