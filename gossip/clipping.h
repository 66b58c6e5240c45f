// Self-centred clipping: how far an exchange may move a node, agreed by both ends of the edge.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gossip/method.h"
#include "gossip/options.h"
#include "protocol/bytes.h"
#include "protocol/result.h"

namespace starling::gossip {

// He, Karimireddy, Jaggi 2022 (2202.01545), ClippedGossip:
//
//   x_i <- x_i + Σ_j w_ij CLIP(x_j - x_i, τ)       CLIP(z, τ) = min(1, τ / ‖z‖) z
//
// A neighbor that lies moves the node by at most w τ a round, whatever it sends. In the paper each
// node clips with a τ_i of its own, so the sum over the nodes is no longer conserved. Here the two
// ends of an edge use the same: each says its τ in front of what it sends, as four bytes behind the
// body, and both take the smaller one. So what one end adds the other subtracts, to the bit; an end
// that lies about its τ can only make the other one stricter.
//
// The paper's radius for the proof, τ_i² = (1/δ_i) Σ_j w_ij E‖x_i - x_j‖² over the honest neighbors
// j, needs to know who they are and the share δ_i of the others. This one is
//
//   τ_i = max(‖u_i‖ / γ, the lower median over the neighbors j of min(τ_j, ‖x_i - x_j‖))
//
// with the newest τ_j and distance that are known of each edge. u_i is the node's newest local
// step, the one scale in which nobody else has a say, and γ what the method mixes with: an edge at
// its radius moves a node by w ‖u_i‖. Up to (degree - 1)/2 liars neither raise the median above
// what an honest neighbor says nor lower it below. The neighbors' τ_j stand in it because distances
// alone run away: a node that a liar pulls off is far from all others, would take that for its
// radius and be pulled faster than they, at the smaller radii that edges agree on, pull it back
// (measured on the run of attack.toml: sign flip took 17 points in the mean and 49 at worst; with 4
// ‖u_i‖ it takes 53).
//
// What it costs: neighbors come together by w τ a round, so that halves that were apart take long;
// data that differ much between nodes hold honest models further apart than a step, and look like
// lies; a node with one neighbor, or with more liars than others, is not protected. Measured:
// README.md.
//
// Defined where mixing is x += γ Σ w (a_j - a_i) with a_j and a_i known to the bit at both ends and
// nothing else adds the differences up; see objection below. Engine thread. State: a number an
// edge.
class Clipping {
 public:
  Clipping(std::size_t edges, double gamma) : gamma_(gamma), heard_(edges) {}

  static constexpr std::size_t kTailBytes = sizeof(float);

  // The node's newest local step.
  void follow(std::span<const float> update);
  // The edge begins anew.
  void open(std::size_t edge) { heard_[edge].reset(); }

  float radius() const;
  // Puts radius() behind each body; those that are the same stay the same.
  void seal(std::span<Message> messages) const;
  // A neighbor's message without its radius. Fails with ErrorCode::peer where that is none.
  static Result<Message> opened(const Message& message);
  // The arrivals as they were before they were sealed; until the next call.
  std::span<const Arrival> opened(std::span<const Arrival> arrivals);

  // min(1, τ / ‖theirs - ours‖) with the smaller of the radii of the arrival's two sealed messages:
  // the same number at both ends. Remembers it.
  float share(const Arrival& sealed, std::span<const float> theirs, std::span<const float> ours);

  void archive(Archive& archive);

 private:
  double gamma_;
  double step_ = 0;                           // ‖u_i‖
  std::vector<std::optional<double>> heard_;  // the newest min(τ_j, ‖x_i - x_j‖) of each edge
  std::vector<Arrival> opened_;
};

// Why [robust] clip is not defined for the algorithm, if so, as the end of a sentence.
std::optional<std::string> objection_to_clipping(AlgorithmKind kind);

}  // namespace starling::gossip
