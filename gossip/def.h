// DEF-ATC and ACTC: diffusion over differentially quantised models.
#pragma once

#include <memory>

#include "gossip/compressed.h"

namespace starling::gossip {

struct DefOptions {
  double gamma = 1;            // γ in (0, 1], the consensus step
  double zeta = 1;             // ζ in (0, 1], the damping of the references
  bool error_feedback = true;  // false: ACTC
};

// Nassif et al. 2024 (DEF-ATC, 2406.18418): adapt, compress with differential quantisation and
// error feedback, combine. φ_i: what the neighbors know of node i; z_i: what compression lost.
//
//   ψ = w - u
//   δ = C(ψ - φ + z); send; z <- (ψ - φ + z) - δ
//   φ <- φ + ζ δ, and φ_j <- φ_j + ζ δ_j of every neighbor
//   w <- φ + γ Σ_j w_ij (φ_j - φ)
//
// ACTC (Carpentiero, Matta, Sayed 2021, 2112.02129) is the same without z, for unbiased C. The
// fixed point is that of uncompressed diffusion for every C and ζ; like D-PSGD it keeps a bias that
// is proportional to the step where data differ, 1/γ times as large. C may have an absolute error
// (Δ ∝ the step) instead of a contraction. With feedback and ζ = γ = 1 a compression error above a
// third diverges; scaled Random-K does with feedback at any ζ, γ. State: φ, z, and a replica a
// neighbor. Bytes: one message a neighbor and round.
std::unique_ptr<Method> make_def(CompressedInputs inputs, const DefOptions& options);

}  // namespace starling::gossip
