// Gradient tracking (DIGing): every node follows an estimate of the mean update.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gossip/method.h"

namespace starling::gossip {

// Nedić, Olshevsky, Shi 2017 (DIGing), with the update u in place of η g:
//
//   send (x, v)
//   v <- W v + u - u⁻        v_0 = u_0; mean(v) = mean(u) in every round
//   x <- W x - v
//
// The messages go out before the local step and overlap with it. Exact for steps well below 1/L.
// State: v, u⁻. Bytes: 8d a neighbor and round.
std::unique_ptr<Method> make_gradient_tracking(std::span<const float> start);

}  // namespace starling::gossip
