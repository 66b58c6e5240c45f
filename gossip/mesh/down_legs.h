// What the owner of a shard tells all nodes.
#pragma once

#include <span>

#include "gossip/mesh/legs.h"

namespace starling::gossip {

struct FeedbackOptions {
  double keep = 1;  // how much of what was not told is told later
  double gain = 1;  // how much of what is told moves the model
};

// C(keep · e + rate · mean) is told, gain times which all subtract from the model; e becomes what
// that leaves. The down leg of DoubleSqueeze (Tang et al. 2019, 1905.05957, Algorithm 1). The mean
// direction tends to 0 at the optimum, so no shift is needed here, and none amplifies noise
// (specification §12). Where C is the identity e stays 0, and the mean itself is told.
//
// With keep = η and gain = β the down leg of DORE (Liu et al. 2020, 1910.07561, Algorithm 1). For
// an unbiased C that expands: η = 0 and β = 1 / (1 + ω), for with η = 1 it diverges (§7).
//
// State: e, of the owner's shard.
std::unique_ptr<DownLeg> make_error_feedback_down(LegInputs inputs, std::span<float> model,
                                                  const FeedbackOptions& options = {});

// S is common to all and follows the mean: C(mean - S) is told, S <- S + C(mean - S), and the model
// moves by rate · S. EF21-BC (Fatkhullin et al. 2021, 2110.03294, Algorithm 4). State: S, d floats.
std::unique_ptr<DownLeg> make_shifted_down(LegInputs inputs, std::span<float> model);

// The same, and every node goes on from S as AMSGrad does:
//
//   m <- β₁ m + (1 - β₁) S;  v <- β₂ v + (1 - β₂) S²;  v̂ <- max(v̂, v)
//   x <- x - rate · m / √(v̂ + ν)
//
// CD-Adam (Wang, Lin, Chen 2022, 2111.00705, Algorithm 1), β₁ = 0.9, β₂ = 0.99, ν = 1e-8. Nothing
// that is divided by √v̂ is ever compressed. State: S, m, v, v̂, of d floats each.
std::unique_ptr<DownLeg> make_amsgrad_down(LegInputs inputs, std::span<float> model);

}  // namespace starling::gossip
