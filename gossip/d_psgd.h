// D-PSGD: decentralized parallel SGD.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "gossip/clipping.h"
#include "gossip/method.h"

namespace starling::gossip {

// Lian et al. 2017, Algorithm 1, in delta form:
//
//   x_i <- x_i + s Σ_j w_ij (x_j - x_i)        one exchange a round, the whole model as float32
//   x_i <- x_i - update_i                      before it (ATC) or after it (CTA, overlap)
//
// Both ends of an edge compute the same difference from the same two messages, so what one gains
// the other loses, to the bit, and the mean of the models moves by rounding alone. With
// heterogeneous data and a constant step the models keep a bias that is proportional to the step.
// Without edges it is local SGD of a node alone. `clipping`: see clipping.h.
std::unique_ptr<Method> make_d_psgd(std::span<const float> start,
                                    std::optional<Clipping> clipping = std::nullopt);

}  // namespace starling::gossip
