// CHOCO-SGD: gossip on public copies that compressed differences move.
#pragma once

#include <memory>

#include "gossip/compressed.h"

namespace starling::gossip {

struct ChocoOptions {
  double gamma = 1;  // γ in (0, 1], the consensus step
};

// Koloskova, Stich, Jaggi 2019, Algorithm 2 (CHOCO-SGD), Algorithm 1 without local steps
// (CHOCO-Gossip). h_i: what the neighbors know of node i.
//
//   x_i <- x_i - u_i
//   q_i = C(x_i - h_i); send; h_i <- h_i + q_i, and h_j <- h_j + q_j of every neighbor
//   x_i <- x_i + γ Σ_j w_ij (h_j - h_i)
//
// Combine while adapt: the same with the first line last. Any contractive C. State: one reference
// and a replica a neighbor. Bytes: one message a neighbor and round. x keeps full precision, so the
// mean of the models moves by the local steps alone.
std::unique_ptr<Method> make_choco(CompressedInputs inputs, const ChocoOptions& options);

}  // namespace starling::gossip
