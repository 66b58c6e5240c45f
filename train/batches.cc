#include "train/batches.h"

#include <numeric>

#include "protocol/check.h"
#include "protocol/random.h"
#include "train/sampling.h"

namespace starling::train {

Batches::Batches(std::uint64_t seed, NodeId node, std::size_t rows, std::size_t batch)
    : seed_(seed),
      node_(node),
      order_(rows),
      positions_(batch == 0 || batch > rows ? rows : batch) {
  INVARIANT(rows >= 1);
  std::iota(positions_.begin(), positions_.end(), 0U);
  enter(0);
}

std::span<const std::uint32_t> Batches::at(std::uint64_t step) {
  if (whole_share()) return positions_;
  std::uint64_t next = step * positions_.size();
  for (std::uint32_t& position : positions_) {
    if (next / order_.size() != epoch_) enter(next / order_.size());
    position = order_[next % order_.size()];
    ++next;
  }
  return positions_;
}

void Batches::enter(std::uint64_t epoch) {
  epoch_ = epoch;
  std::iota(order_.begin(), order_.end(), 0U);
  shuffle(Random(seed_, Stream::batch_order, {index_of(node_), epoch}), order_);
}

}  // namespace starling::train
