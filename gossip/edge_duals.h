// The dual variables of the methods that have one for each edge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "protocol/archive.h"

namespace starling::gossip {

// An edge's dual variable of d floats at each end, each the exact negative of the other: what one
// end adds the other subtracts, so their sum over all nodes is 0 to the last bit, and a suspended
// edge takes its own out of it at both ends.
//
// They stand in units of the gradient, so that they need not follow the learning rate: what a
// method calls its dual, in units of the update, is rate · dual.
class EdgeDuals {
 public:
  EdgeDuals(std::size_t size, std::size_t edges) : duals_(edges), size_(size) {}

  void open(std::size_t edge);
  void suspend(std::size_t edge);
  void resume(std::size_t edge);
  // As if it had never been opened.
  void forget(std::size_t edge) { duals_[edge] = {}; }
  // The learning rate from now on.
  void follow(double learning_rate);
  // rate · dual += factor · (ours - theirs); on a suspended edge at the rate it was suspended with.
  void add(std::size_t edge, float factor, std::span<const float> ours,
           std::span<const float> theirs);
  // x -= rate · the sum of the duals of edges that are up.
  void subtract_sum(std::span<float> x) const;
  // The same at both ends.
  std::uint64_t hash(std::size_t edge, bool self_is_low) const;

  void archive(Archive& archive);

  // For methods that add in another way: the dual, and what to divide a term by.
  std::span<float> dual(std::size_t edge) { return duals_[edge].values; }
  float rate(std::size_t edge) const;

 private:
  struct Dual {
    std::vector<float> values = {};                    // empty: never opened
    std::optional<float> suspended_at = std::nullopt;  // the rate then
  };
  std::vector<Dual> duals_;
  std::size_t size_;
  float rate_ = 1;
};

}  // namespace starling::gossip
