// Stochastic gradient push: gossip on directed graphs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gossip/method.h"

namespace starling::gossip {

// Assran et al. 2019 (1811.10792), Algorithm 1. With the shares p_ji that i hands to j, which sum
// to 1 over j (Topology::share), and w_i = 1 at the start:
//
//   x_i <- x_i - u_i                                u_i: the update at z_i; with overlap at the end
//   send p_ji x_i, p_ji w_i to j
//   x_i <- Σ_j p_ij x_j,  w_i <- Σ_j p_ij w_j
//   z_i = x_i / w_i                                 the model
//
// Ways are used one at a time, but every edge carries a message in both directions in every
// exchange, an empty one where there is nothing to hand on: so both ends know whether it took
// place, and a node subtracts what it sent where that arrived and keeps it where it did not. Σ w_i
// stays n and Σ x_i moves by the updates alone, whatever is lost; an edge that fails slows mixing.
// A node that dies takes its part of both along.
//
// Not exact where data differ: D-PSGD's bias. State: 2d floats (x, z), and w in double. Bytes: 4d +
// 8 a way in its turn.
class Sgp final : public Method {
 public:
  // shares[edge][round mod shares[edge].size()] goes to the neighbor; `nodes` of the flock, which
  // no w exceeds.
  Sgp(std::span<const float> start, std::vector<std::vector<double>> shares, std::size_t nodes);

  std::uint32_t exchanges() const override { return 1; }
  std::size_t body_bytes_max() const override { return x_.size() * sizeof(float) + sizeof(double); }
  void begin_at(std::span<const float> model) override;
  void adapt(const LocalStep& step) override;
  void open_edge(std::size_t edge, Epoch /*history*/) override { take_back(edge); }
  void suspend_edge(std::size_t edge, bool pending) override;
  void resume_edge(std::size_t edge) override { take_back(edge); }
  Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                      std::span<Message> out) override;
  Result<double> check(Exchange exchange, std::size_t /*edge*/,
                       const Message& message) const override;
  void mix(Exchange exchange, std::span<const Arrival> arrivals) override;
  std::span<const float> model() const override { return z_; }
  std::vector<double> conserved() const override;
  void archive(Archive& archive) override;

  double weight() const { return w_; }

 private:
  SharedBytes part(double share) const;
  void add(const SharedBytes& part, int sign);
  void take_back(std::size_t edge);
  void divide();

  const std::vector<std::vector<double>> shares_;
  const double weight_max_;
  std::vector<float> x_, z_;
  double w_ = 1;
  std::vector<SharedBytes> sent_;  // by edge, in the newest exchange
  // By edge: what was sent when the link broke. It is no longer this node's until it turns out that
  // it arrived nowhere: handed on once more in the meantime, w could reach 0.
  std::vector<SharedBytes> held_;
};

}  // namespace starling::gossip
