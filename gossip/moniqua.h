// Moniqua: models modulo a bound on how far neighbors are apart.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "gossip/method.h"

namespace starling::gossip {

struct MoniquaOptions {
  double theta = 1;        // θ > 0: neighbors' models differ by less than that in every coordinate
  unsigned bits = 8;       // b a coordinate, kMoniquaBitsMin to kMoniquaBitsMax
  double gamma = 1;        // γ in (0, 1]
  std::uint64_t seed = 0;  // of the run
};

// Of one bit both differences that there are would be the forbidden one.
constexpr unsigned kMoniquaBitsMin = 2, kMoniquaBitsMax = 16;

// θ / (2^(b-1) - 1): what two neighbors cannot tell apart.
double moniqua_step(const MoniquaOptions& options);

// Lu & De Sa 2020 (2002.11787), Algorithm 1, with a step t and a circle B = 2^b t:
//
//   k_i = ⌊x_i / t + u⌋;  send k_i mod 2^b         u in [0, 1), the same on all nodes
//   x_i <- x_i + γ t Σ_j w_ij ⟨k_j - k_i⟩          ⟨·⟩ mod 2^b, above -2^(b-1)
//
// The bound. Neighbors round with the same u, so |k_j - k_i| < |x_j - x_i| / t + 1, and for
// |x_j - x_i| < θ that is at most 2^(b-1) - 1: the two messages give k_j - k_i itself. In the
// paper's words, with an error δ = 2^-b on the circle, B = 2θ / (1 - 2δ) and t = δB. θ has to bound
// what the local steps make of neighbors between two exchanges, of the order of learning rate ·
// largest gradient coordinate · log n / (γ · spectral gap); the error of a model is of the order of
// t, so θ wants to be small.
//
// Beyond the bound a difference is taken modulo B: neighbors that are B apart seem to agree, and
// mixing pulls some coordinates the wrong way. The mean of the models stays right to rounding
// whatever happens, for both ends subtract the same integers. ⟨·⟩ = 2^(b-1) cannot be within the
// bound, so an edge whose messages hold it counts as one that failed, at both ends; a node of which
// that is true of all its edges, and of at least two, gives up with a sentence (encode: diverged).
// That is proof where it happens: out of bounds one coordinate in 2^b shows.
//
// State: none. Bytes: ⌈bd/8⌉ a neighbor and round.
std::unique_ptr<Method> make_moniqua(std::span<const float> start, const MoniquaOptions& options);

}  // namespace starling::gossip
