// What the methods that send compressed innovations, C(x - h), have in common.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "gossip/compressed.h"
#include "gossip/delta.h"
#include "gossip/replicas.h"

namespace starling::gossip {

// One message a round, made from the model and the reference that the neighbors hold. A method
// says in adapt and mix what becomes of it, and in make_message what is sent if not C(x - h).
class InnovationMethod : public Method {
 public:
  std::uint32_t exchanges() const final { return 1; }
  std::size_t body_bytes_max() const final { return coder_.bytes_max(); }

  void open_edge(std::size_t edge, Epoch /*epoch*/) override { replicas_.open(edge); }
  void close_edge(std::size_t edge) override { replicas_.close(edge); }

  Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                      std::span<SharedBytes> out) final {
    return replicas_.encode(edges, out,
                            [&](Replicas::Group& group) { return make_message(exchange, group); });
  }

  Result<void> check(Exchange /*exchange*/, const SharedBytes& body) const final {
    return coder_.check(body);
  }

  std::span<const float> model() const final { return x_; }

 protected:
  explicit InnovationMethod(CompressedInputs inputs, bool with_self = false)
      : edges_(inputs.edges),
        coder_(inputs.coder()),
        replicas_(inputs.common, edges_.size(), with_self),
        x_(inputs.start.begin(), inputs.start.end()) {}

  virtual Result<SharedBytes> make_message(Exchange exchange, Replicas::Group& group) {
    return coder_.encode(exchange, innovation(group));
  }

  std::span<const float> innovation(const Replicas::Group& group) {
    return difference(x_, group.reference, innovation_);
  }

  // References and replicas advance by step · C of the messages that counted.
  void commit(std::span<const Arrival> arrivals, double step) {
    replicas_.commit(arrivals, coder_.compressor(), static_cast<float>(step));
  }

  // x += γ Σ_j w_ij (h_j - h_i) over the edges that counted.
  void combine(std::span<const Arrival> arrivals, double gamma) {
    for (const Arrival& arrival : arrivals) {
      const double step = gamma * edges_[arrival.edge].weight;
      add_difference(x_, static_cast<float>(step), replicas_.theirs(arrival.edge),
                     replicas_.ours(arrival.edge));
    }
  }

  const std::vector<EdgeEnd> edges_;
  MessageCoder coder_;
  Replicas replicas_;
  std::vector<float> x_;

 private:
  std::vector<float> innovation_;
};

// With a dual an edge that integrates the differences of what was sent: COLD and its relatives.
class DualMethod : public InnovationMethod {
 public:
  void open_edge(std::size_t edge, Epoch epoch) final {
    InnovationMethod::open_edge(edge, epoch);
    duals_.open(edge);
  }
  void close_edge(std::size_t edge) final {
    InnovationMethod::close_edge(edge);
    duals_.close(edge);
  }

  // x <- x - u - D
  void adapt(const LocalStep& step) override {
    duals_.follow(step.learning_rate);
    subtract(x_, step.update);
    duals_.subtract_sum(x_);
  }

 protected:
  // alpha: how much of a message the references keep.
  DualMethod(CompressedInputs inputs, double alpha)
      : InnovationMethod(std::move(inputs)), alpha_(alpha), duals_(x_.size(), edges_.size()) {}

  // D
  void dual_sum(std::span<float> into) const {
    std::ranges::fill(into, 0.0f);
    duals_.subtract_sum(into);
    for (float& d : into) d = -d;
  }

  // With ŷ = h + q at both ends: z_e += factor · w_ij (ŷ_i - ŷ_j). References hold ŷ until damp().
  void integrate(std::span<const Arrival> arrivals, double factor) {
    commit(arrivals, 1);
    for (const Arrival& arrival : arrivals) {
      const double step = factor * edges_[arrival.edge].weight;
      duals_.add(arrival.edge, static_cast<float>(step), replicas_.ours(arrival.edge),
                 replicas_.theirs(arrival.edge));
    }
  }

  // h <- h + α q, from ŷ.
  void damp(std::span<const Arrival> arrivals) {
    if (alpha_ == 1) return;
    replicas_.move_committed(arrivals, coder_.compressor(), static_cast<float>(alpha_ - 1));
  }

 private:
  const double alpha_;
  EdgeDuals duals_;
};

}  // namespace starling::gossip
