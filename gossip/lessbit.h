// The decentralized linearly convergent method with compressed communication of Kovalev et al.
#pragma once

#include <memory>

#include "gossip/compressed.h"

namespace starling::gossip {

struct LessBitOptions {
  double gamma = 0.05;  // rate · θ, the dual step
  double alpha = 0.5;   // α <= 1 / (1 + ω)
  bool exact = false;   // option A, for which gamma is θ
};

// Kovalev et al. 2021 (2011.01697). D is the sum of a node's edge duals, in option B in units of
// the update, in option A of the gradient:
//
//   x <- argmin_y f(y) + <D, y>                    option A: the trainer solves that (slope())
//   x <- x - (u + D)                               option B: one gradient step of it
//   q = Q(x - h); send; x̃ = h + q, and x̃_j = h_j + q_j of every neighbor
//   z_e <- z_e + γ w_ij (x̃_i - x̃_j)
//   h <- h + α q, h_j <- h_j + α q_j
//
// For unbiased Q. Stable is θ below 2μ / λmax(I - W) with the smallest curvature μ of the local
// problems, option A; the specification (§6) has what was measured. The fixed point is that of
// COLD, which is ten to twenty times faster; this is the yardstick. State and bytes: as COLD.
std::unique_ptr<Method> make_lessbit(CompressedInputs inputs, const LessBitOptions& options);

}  // namespace starling::gossip
