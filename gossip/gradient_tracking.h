// Gradient tracking (DIGing): every node follows an estimate of the mean update.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gossip/method.h"

namespace starling::gossip {

// Nedić, Olshevsky, Shi 2017 (DIGing), with the update u in place of η g:
//
//   exchange 0: x;  exchange 1: v
//   v <- W v + u - u⁻        v_0 = u_0; mean(v) = mean(u) in every round
//   x <- W x - v
//
// x goes out before the local step and overlaps with it; what arrives is mixed after it, so that
// the gradient is that of the x that was sent. Each sum is mixed with opposites of its own, so one
// exchange may count on an edge where the other does not. Exact for steps well below 1/L.
//
// State: v, u⁻. Bytes: two messages of 4d a neighbor and round. One after the other they cost one
// network delay a round more than both in one would, and half the memory of what is under way,
// early, or kept for a neighbor that may have missed it.
std::unique_ptr<Method> make_gradient_tracking(std::span<const float> start);

}  // namespace starling::gossip
