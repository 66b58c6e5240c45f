// Birder: an adaptive method whose every message is one bit a coordinate.
#pragma once

#include <span>

#include "gossip/mesh/legs.h"

namespace starling::gossip {

// Binary randomised adaptive steps (Peng et al. 2023, "Birder: Communication-Efficient 1-bit
// Adaptive Optimizer for Practical Distributed DNN Training"; specification §3):
//
//   node i: m_i <- β m_i + (1 - β) g_i;  b_i <- β b_i + (1 - β)|g_i|;  u_i = m_i / b_i, 0/0 = 0
//   sent: Q(u_i), Q(u)_j = ±1 with mean u_j;  owner: s = mean_i Q(u_i), told: Q(s)
//   all:  x <- x - rate · Q(s)
//
// β = 0.95. No error feedback, no scale and nothing at the owner, so a node that is away changes
// the mean alone. Every coordinate moves by the rate in every round: the rate has to fall to 0.
//
// Each node divides by its own b_i before the mean is taken, which is no mean gradient: where data
// differ it comes nowhere near the optimum (§3, measured). State: m_i and b_i, of d floats each.
// Operators of `up` and `down`: compress::OneBit of scale kBirderScale.
inline constexpr float kBirderScale = 2;  // so that its bits are ±1

Legs make_birder(LegInputs up, LegInputs down, std::span<float> model);

}  // namespace starling::gossip
