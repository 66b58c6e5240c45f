// BEER: gradient tracking over compressed differences.
#pragma once

#include <memory>

#include "gossip/compressed.h"

namespace starling::gossip {

struct BeerOptions {
  double gamma = 0.1;  // γ in (0, 1]
};

// Zhao et al. 2022 (BEER), Algorithm 1. h and G: what the neighbors know of x and of the tracker v.
//
//   v <- v + γ Σ_j w_ij (G_j - G_i) + u - u⁻
//   x <- x + γ Σ_j w_ij (h_j - h_i) - v
//   exchange 0: C(x - h), h <- h + C(x - h), and the neighbors' alike
//   exchange 1: C(v - G), G <- G + C(v - G)
//
// mean(v) = mean(u) in every round. Any contractive C; no bound on how much data differ is assumed.
// State: v, u⁻, two references, and two replicas a neighbor. Bytes: two messages a neighbor and
// round, one network delay each.
std::unique_ptr<Method> make_beer(CompressedInputs inputs, const BeerOptions& options);

}  // namespace starling::gossip
