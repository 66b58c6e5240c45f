// The two sweeps over the model that every method makes.
#pragma once

#include <cstddef>
#include <span>

#include "protocol/check.h"

namespace starling::gossip {

// x -= update.
inline void subtract(std::span<float> x, std::span<const float> update) {
  INVARIANT(x.size() == update.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] -= update[i];
}

// x += weight · (theirs - ours). With the two swapped the other end of the edge adds exactly the
// negative.
inline void add_difference(std::span<float> x, float weight, std::span<const float> theirs,
                           std::span<const float> ours) {
  INVARIANT(x.size() == theirs.size() && x.size() == ours.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += weight * (theirs[i] - ours[i]);
}

}  // namespace starling::gossip
