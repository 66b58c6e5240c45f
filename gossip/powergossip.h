// PowerGossip: low-rank compressed gossip without a single extra hyper-parameter.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "gossip/method.h"
#include "protocol/tensor_layout.h"

namespace starling::gossip {

struct PowerGossipOptions {
  std::size_t rank = 1;          // r, lowered to min(rows, columns) of each matrix
  std::uint32_t iterations = 1;  // power iterations, each one exchange, a round
  std::uint64_t seed = 0;        // of the run: both ends draw the same start vectors
  // Unset: PowerGossip. Otherwise γ in (0, 1] of the exact form below.
  std::optional<double> exact_gamma = std::nullopt;
};

// Vogels, Karimireddy, Jaggi 2020, Algorithm 1. Each edge keeps, for every matrix X (m × n) of the
// model, a left factor p (m × r) and a right factor q (n × r), equal to the bit at both ends. The
// iteration t = round · iterations + index goes over the edge i-j, low = min, high = max:
//
//   t even: v = orth(p), out_i = X_iᵀ v        t odd: v = orth(q), out_i = X_i v
//   send out_i, receive out_j; the other factor becomes out_high - out_low
//   low: X += w s p qᵀ;  high: X -= w s p qᵀ    (the projection of X_high - X_low on span v)
//
// All edges project the same X; then all are applied (Jacobi). Vectors (biases, scales) go dense
// with the first iteration of a round: x <- x + Σ_j w_ij (x_j - x_i). State: r(m + n) floats per
// edge end and matrix, no copy of any model. Bytes: 4r·n or 4r·m per matrix, edge and iteration.
//
// The exact form is PowerGossip as the mixing inside NIDS (nids.h): the iterations of a round run
// on y = x - u - D, S_e is what they add to y over the edge e in all, and then z_e -= (γ/2) S_e and
// x <- y + Σ_e S_e: the models mix as far as the factors reach, only the duals are damped. (With
// γ/2 on both, as NIDS has it, a γ small enough for rank 1 on large matrices hardly mixes: measured
// on optdigits, 82 % of the worst node against 95 %.) γ needs to shrink with the share of a
// difference that the factors carry. The bias of heterogeneous data is gone, still without a
// replica; the state grows by a dual of d floats an edge end. No paper has exactly this; the gossip
// specification, §3 (extension), measures it.
std::unique_ptr<Method> make_powergossip(std::span<const float> start, const TensorLayout& layout,
                                         const std::vector<EdgeEnd>& edges,
                                         const PowerGossipOptions& options);

// How much of the squared difference of two models a round's exchanges carry: about rank ·
// iterations of the singular directions of the largest matrix, were all alike. In (0, 1].
double captured_share(const TensorLayout& layout, std::size_t rank, std::size_t iterations);

}  // namespace starling::gossip
