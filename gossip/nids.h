// NIDS and D²: exact decentralized optimisation, uncompressed.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gossip/method.h"

namespace starling::gossip {

// Li, Shi, Yan 2019 (NIDS, W̃ = (I + W)/2) and Tang et al. 2018 (D², W̃ = W):
// x⁺ = W̃ (2x - x⁻ - u + u⁻), in the primal-dual form of cold.h without compression:
//
//   y = x - u - D;  send y;  z_e <- z_e + c w_ij (y_i - y_j);  x <- y - c Σ_j w_ij (y_i - y_j)
//
// with c = 1/2 (NIDS: any connected graph, steps up to 2/L) or 1 (D²: faster, but W needs
// λn > -1/3). State: a dual a neighbor. Bytes: 4d a neighbor and round.
struct NidsOptions {
  double factor = 0.5;  // c
};
std::unique_ptr<Method> make_nids(std::span<const float> start, std::vector<EdgeEnd> edges,
                                  const NidsOptions& options);

}  // namespace starling::gossip
