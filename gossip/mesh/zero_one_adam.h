// 0/1 Adam: 1-bit Adam that leaves out variance updates, and then whole exchanges.
#pragma once

#include <span>

#include "gossip/mesh/legs.h"

namespace starling::gossip {

struct ZeroOneAdamOptions {
  Round freeze;  // rounds in which the variance is learned
  Round period;  // local steps between two exchanges, at most
};

// Lu et al. 2022, 2202.06009, Algorithm 1 with the policies of its §5 (specification §4.3). Rounds
// below `freeze`, whose gradients g_i go as they are in some rounds and as C(e_i + g_i) in others:
//
//   all: m <- β₁ m + (1 - β₁) ḡ;  v <- β₂ v + (1 - β₂) ḡ² where ḡ is exact;  a step of Adam
//
// The rounds with exact gradients begin as every one, and double their distance after 16 of them.
// Then the variance is frozen, the errors begin at 0 in units of accumulated momentum, and
//
//   node i, every round: m_i = β₁ m_i + (1 - β₁) g_i;  x_i <- x_i - rate · m_i / (√v̂ + ε)
//   in some rounds:      U_i = (a - x_i)(√v̂ + ε) is sent as C(e_i + U_i), the owner tells Ū
//                        all: a <- a - Ū / (√v̂ + ε);  x_i = a;  m_i = Ū / Σ rate
//
// with a the model that is common to all. The distance of those rounds doubles every `freeze`
// rounds, up to `period`; between them there is no exchange at all. With the encode U_i is in e_i,
// and x_i back at a: what of it is not counted is told later.
//
// State: e_i, m_i, and the common a, m and v, of d floats each. Operators as 1-bit Adam.
Legs make_zero_one_adam(LegInputs up, LegInputs down, std::span<float> model,
                        const ZeroOneAdamOptions& options);

}  // namespace starling::gossip
