// Of methods whose nodes move away from what is common, and come back to it.
#pragma once

#include <cstddef>
#include <span>

namespace starling::gossip {

// What is common moves from `anchor` to `to`, and x with it: what the node did alone stays in front
// of where all have gone. Exactly `to` where x stood at the anchor.
inline void move_anchor(std::span<float> x, std::span<float> anchor, std::span<const float> to) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = to[i] + (x[i] - anchor[i]);
    anchor[i] = to[i];
  }
}

}  // namespace starling::gossip
