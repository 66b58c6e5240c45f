// The decentralized linearly convergent method with compressed communication of Kovalev et al.
#pragma once

#include <memory>

#include "gossip/compressed.h"

namespace starling::gossip {

struct LessBitOptions {
  double gamma = 0.05;  // rate · θ, the dual step
  double alpha = 0.5;   // α <= 1 / (1 + ω)
};

// Kovalev et al. 2021 (2011.01697), with one gradient step for the local problem (option B). D is
// the sum of a node's edge duals, in units of the update:
//
//   x <- x - (u + D)
//   q = Q(x - h); send; x̃ = h + q, and x̃_j = h_j + q_j of every neighbor
//   z_e <- z_e + γ w_ij (x̃_i - x̃_j)
//   h <- h + α q, h_j <- h_j + α q_j
//
// For unbiased Q. The fixed point is that of COLD, which is ten to twenty times faster; this is the
// yardstick. State and bytes: as COLD.
std::unique_ptr<Method> make_lessbit(CompressedInputs inputs, const LessBitOptions& options);

}  // namespace starling::gossip
