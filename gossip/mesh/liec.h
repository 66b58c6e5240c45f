// LIEC-SGD: what compression loses of a gradient is made good at once, where it was lost.
#pragma once

#include <span>

#include "gossip/mesh/legs.h"

namespace starling::gossip {

// Local immediate error compensation (Cheng et al. 2024, 2402.11857; specification §1):
//
//   node i: q_i = C(u_i);  owner: w = mean_i q_i + e, q = C(w), e <- w - q
//   node i: x_i <- x_i - q - (u_i - q_i)
//
// so each node keeps a model of its own, and the one error is the owner's. In every `period`-th
// round (those with round + 1 a multiple of it) nodes send x_i - u_i as it is, and the owner tells
// mean_i (x_i - u_i) - e, from where all go on, with e = 0. u is the update, rate and all. With
// z = mean_i x_i - e exactly z <- z - mean_i u_i in every round.
//
// A piece that is not counted is compensated where it was made, like the rest of its gradient; a
// node that an average does not reach stays apart until the next. Nothing is common to all.
//
// For data that are nearly alike: the rest of each gradient makes a local step of it, and without
// the averages it does not converge (§1, measured). State: e, d / n floats. `up` codes gradients,
// `down` their mean; both contractive.
Legs make_liec(LegInputs up, LegInputs down, std::span<float> model, Round period);

}  // namespace starling::gossip
