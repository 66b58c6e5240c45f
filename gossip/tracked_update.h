// The change of a node's update from round to round, which trackers add up.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "gossip/method.h"

namespace starling::gossip {

// Trackers keep v with mean(v) = mean(u), the mean update of all nodes. They stand in units of the
// update, rate · gradient, and are scaled as the rate changes.
class TrackedUpdate {
 public:
  explicit TrackedUpdate(std::size_t size) : before_(size, 0.0f) {}

  // v += u - u⁻, after both v and u⁻ were scaled to the new rate.
  void track(const LocalStep& step, std::span<float> v) {
    if (learning_rate_ > 0 && step.learning_rate > 0 && step.learning_rate != learning_rate_) {
      const auto ratio = static_cast<float>(step.learning_rate / learning_rate_);
      for (float& value : v) value *= ratio;
      for (float& value : before_) value *= ratio;
    }
    if (step.learning_rate > 0) learning_rate_ = step.learning_rate;
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] += step.update[i] - before_[i];
      before_[i] = step.update[i];
    }
  }

  // v as in the first round: the node's own update.
  void restart(std::span<float> v) const { std::ranges::copy(before_, v.begin()); }

  void archive(Archive& archive) {
    archive.fixed("update", before_);
    archive.number("learning_rate", learning_rate_);
  }

 private:
  std::vector<float> before_;  // u⁻
  double learning_rate_ = 0;
};

}  // namespace starling::gossip
