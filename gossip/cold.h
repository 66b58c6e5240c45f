// COLD: exact decentralized optimisation from compressed innovations. With a dynamic scale it is
// Dyna-COLD, with a damped reference LEAD.
#pragma once

#include <memory>

#include "gossip/compressed.h"

namespace starling::gossip {

struct ColdOptions {
  double gamma = 1;  // γ in (0, 1]
  // α in (0, 1]: how much of a message the references take. 1 is COLD; an unbiased C of variance ω
  // needs α <= 1 / (1 + ω) (LEAD).
  double alpha = 1;
  double beta = 1;  // β in (0, 1]: how much of what x moves by the duals integrate
};

// Zhang, You, Xie 2021 (COLD); Liu et al. 2021 (LEAD, Algorithm 1). NIDS (Li, Shi, Yan 2019) whose
// y is sent through an innovation filter. D = Σ_e z_e over the edges of a node, in units of the
// update:
//
//   y = x - u - D
//   q = C(y - h); send; ŷ = h + q, and ŷ_j = h_j + q_j of every neighbor
//   z_e <- z_e + β (γ/2) w_ij (ŷ_i - ŷ_j)      the exact negative of z_e at the other end
//   x <- y - (γ/2) Σ_j w_ij (ŷ_i - ŷ_j)        where β = 1, x - u - D with the new D
//   h <- h + α q, h_j <- h_j + α q_j
//
// At a fixed point q = 0, so ŷ = y is the same everywhere, and u_i = -D_i with Σ_i D_i = 0: the
// optimum, whatever C loses. Duals stand per edge, so a dead node takes its own with it and the
// others converge to their optimum; a float sum kept per node drifts without bound.
//
// β = 1 is the papers'. Their rates are for strongly convex f; β < 1 is ours, for the others. Where
// C takes δ of an innovation, references follow as h' = δ (y - h), and a difference of the models
// along an eigenvector of I - W, eigenvalue λ, in a direction without curvature moves as
//
//   s³/δ + s² + (γλ/2) s + β γλ/2 = 0
//
// which is stable if and only if β < δ (Routh, Hurwitz): with β = 1 every C that loses anything
// makes such directions swing, ever wider. Measured with the largest of 256 (δ = 1/256) on an mlp
// for optdigits, ring of 8: β = 1 diverges at every γ >= 5e-4, β = δ at none up to 0.05.
//
// State: one reference, and a replica and a dual a neighbor. Bytes: one message a neighbor and
// round.
std::unique_ptr<Method> make_cold(CompressedInputs inputs, const ColdOptions& options);

struct DynaColdOptions {
  double gamma = 0.3;
  double rho = 0.97;  // ρ in (0, 1): the scale's decay a round
};

// The same with q = ±s/2 for every coordinate, one bit each (Dyna-COLD). The scale s begins at
// ‖y - h‖∞, falls by ρ a round, and travels in the message; where the innovation has outgrown it
// twice over it begins anew at ‖y - h‖∞, and it never falls below some ulp of ‖y‖∞, under which
// only rounding is left to send. inputs.compressor is made here.
std::unique_ptr<Method> make_dyna_cold(CompressedInputs inputs, const DynaColdOptions& options);

}  // namespace starling::gossip
