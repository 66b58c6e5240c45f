// 1-bit Adam: Adam with a variance that is learned first, and momentum that is compressed after.
#pragma once

#include <span>

#include "gossip/mesh/legs.h"

namespace starling::gossip {

// Tang et al. 2021, 2102.02888, Algorithm 1 (specification §4.1, §4.2):
//
//   rounds below `freeze`: gradients and their mean go as they are, and all take a step of Adam
//   then node i: m_i = β₁ m + (1 - β₁) g_i, with the common m; C(e_i + m_i), e_i keeps the rest
//        owner:  w = mean + e; m = C(w), e keeps the rest
//        all:    x <- x - rate · m / (√v̂ + ε), with v̂ as it froze (adam_moments.h)
//
// so what is told replaces everybody's momentum, and Σ m = Σ mean_i m_i - mean_i e_i - e. β₁ = 0.9,
// β₂ = 0.999, ε = 1e-8. The errors are in units of the momentum, so that they stand while the rate
// changes. State: e_i, and the common m and v, of d floats each; e, of the owner's shard. `up` and
// `down`: contractive, published with one bit.
Legs make_one_bit_adam(LegInputs up, LegInputs down, std::span<float> model, Round freeze);

}  // namespace starling::gossip
