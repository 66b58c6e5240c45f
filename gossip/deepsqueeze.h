// DeepSqueeze: error-compensated gossip of whole models.
#pragma once

#include <memory>

#include "gossip/compressed.h"

namespace starling::gossip {

struct DeepSqueezeOptions {
  double gamma = 0.1;  // γ in (0, 1]; small, for whole models are compressed, not differences
};

// Tang et al. 2019 (DeepSqueeze), Algorithm 1:
//
//   x <- x - u;  q = C(x + e); send; e <- (x + e) - q
//   x <- x + γ Σ_j w_ij (q_j - q_i)
//
// Any contractive C. State: e; none for the neighbors, so a lost message costs nothing but itself.
// Bytes: one message a neighbor and round.
std::unique_ptr<Method> make_deepsqueeze(CompressedInputs inputs,
                                         const DeepSqueezeOptions& options);

}  // namespace starling::gossip
