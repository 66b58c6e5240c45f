// DiLoCo and its streaming form: many local steps, then one step of an outer optimizer.
#pragma once

#include <span>

#include "gossip/mesh/legs.h"

namespace starling::gossip {

struct DiLoCoOptions {
  double rate = 0.7, momentum = 0.9;  // of the outer optimizer
  std::size_t fragments = 1;          // F; a round is about one of them
  double blend = 0;                   // α: how much of what a node did alone it keeps
};

// Douillard et al. 2023, 2311.08105, Algorithm 1; in fragments 2501.18512 (specification §9.1,
// §9.2). The H local steps of a round are the trainer's (train.local_steps), whose optimizer goes
// on from round to round; θ is common to all:
//
//   node i: Δ_i = θ - x_i, of fragment (round mod F); C(e_i + Δ_i) goes up, e_i keeps the rest
//   owner:  Δ = mean Δ_i;  M <- momentum · M + Δ;  C(e + rate · (Δ + momentum · M)) goes down
//   all:    θ becomes less by that, and x_i <- (1 - α) θ + α x_i
//
// Nesterov's step as PyTorch has it. Fragment f is the f-th of F equal parts of every shard, so
// that each round all owners have a part in it; published as sets of layers, which is a matter of
// which coordinates go together. Exchanges that overlap the local steps ([gossip] overlap) are the
// delay τ of the streaming form: a round.
//
// Where the piece is counted Δ_i goes into e_i, and x_i back to θ (but for α); where it is not, x_i
// stays, and is told later. With more than one local step the fixed point is biased where data
// differ (§9.5, measured). State: θ and e_i, of d floats each; M and e, of the owner's shard. C
// contractive, or the identity.
Legs make_diloco(LegInputs up, LegInputs down, std::span<float> model,
                 const DiLoCoOptions& options);

}  // namespace starling::gossip
