// What the methods that send compressed innovations, C(x - h), have in common.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "gossip/clipping.h"
#include "gossip/compressed.h"
#include "gossip/delta.h"
#include "gossip/edge_duals.h"
#include "gossip/replicas.h"

namespace starling::gossip {

// One message a round, made from the model and the reference that the neighbors hold. A method
// says in adapt and mix what becomes of it, and in make_message what is sent if not C(x - h).
class InnovationMethod : public Method {
 public:
  std::uint32_t exchanges() const final { return 1; }
  std::size_t body_bytes_max() const final {
    return coder_.bytes_max() + (clipping_ ? Clipping::kTailBytes : 0);
  }

  std::size_t start_bytes_max() const final { return replicas_.start_bytes_max(); }

  void begin_at(std::span<const float> model) final {
    std::ranges::copy(model, x_.begin());
    replicas_.begin_at(model);
  }
  void open_edge(std::size_t edge, Epoch /*history*/) override {
    replicas_.open(edge);
    if (clipping_) clipping_->open(edge);
  }
  void suspend_edge(std::size_t edge, bool pending) override { replicas_.suspend(edge, pending); }
  void resume_edge(std::size_t edge) override { replicas_.resume(edge); }
  void forget_edge(std::size_t edge) override { replicas_.forget(edge); }
  std::vector<std::size_t> relieve(std::span<const std::size_t> suspended) final {
    return replicas_.relieve(suspended);
  }
  std::uint64_t edge_hash(std::size_t edge) const override {
    return replicas_.hash(edge, is_low(edge));
  }
  void take_start(Exchange /*exchange*/, std::size_t edge, const SharedBytes& start) final {
    replicas_.take_start(edge, start, coder_.compressor());
  }
  Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                      std::span<Message> out) final {
    auto encoded = replicas_.encode(
        edges, out, coder_, [&](Replicas::Own& own) { return make_message(exchange, own); });
    if (encoded && clipping_) clipping_->seal(out);
    return encoded;
  }

  Result<double> check(Exchange /*exchange*/, std::size_t /*edge*/,
                       const Message& message) const final {
    if (!clipping_) return replicas_.check(message, coder_);
    const Result<Message> opened = Clipping::opened(message);
    return opened ? replicas_.check(*opened, coder_) : Result<double>(opened.error());
  }

  std::span<const float> model() const final { return x_; }

  void archive(Archive& archive) override {
    archive.fixed("model", x_);
    replicas_.archive(archive, coder_.bytes_max());
    coder_.archive(archive);
    if (clipping_) clipping_->archive(archive);
  }

 protected:
  // `steps`: of Replicas.
  InnovationMethod(CompressedInputs inputs, std::vector<float> steps)
      : edges_(inputs.edges),
        coder_(inputs.coder()),
        replicas_(std::move(inputs.common), edges_.size(), std::move(steps)),
        x_(inputs.start.begin(), inputs.start.end()),
        clipping_(std::move(inputs.clipping)) {}

  virtual Result<SharedBytes> make_message(Exchange exchange, Replicas::Own& own) {
    return coder_.encode(exchange, innovation(own));
  }

  bool is_low(std::size_t edge) const { return edges_[edge].self < edges_[edge].peer; }

  std::span<const float> innovation(const Replicas::Own& own) {
    return coder_.difference(x_, own.reference.values());
  }

  bool commit(std::span<const Arrival> arrivals) {
    coder_.spare(false);
    return replicas_.commit(clipping_ ? clipping_->opened(arrivals) : arrivals,
                            coder_.compressor());
  }

  // x <- x - u
  void step_down(const LocalStep& step) {
    if (clipping_) clipping_->follow(step.update);
    subtract(x_, step.update);
  }

  // x += γ Σ_j w_ij (h_j - h_i) over the edges that counted; clipped, where that is wanted.
  void combine(std::span<const Arrival> arrivals, double gamma) {
    for (const Arrival& arrival : arrivals) {
      const auto theirs = replicas_.theirs(arrival.edge), ours = replicas_.ours(arrival.edge);
      double step = gamma * arrival.terms.weight;
      if (clipping_) step *= clipping_->share(arrival, theirs, ours);
      add_difference(x_, static_cast<float>(step), theirs, ours);
    }
  }

  const std::vector<EdgeEnd> edges_;
  MessageCoder coder_;
  Replicas replicas_;
  std::vector<float> x_;
  std::optional<Clipping> clipping_;
};

// With a dual an edge that integrates the differences of what was sent: COLD and its relatives.
class DualMethod : public InnovationMethod {
 public:
  void open_edge(std::size_t edge, Epoch history) final {
    InnovationMethod::open_edge(edge, history);
    duals_.open(edge);
  }
  void suspend_edge(std::size_t edge, bool pending) final {
    InnovationMethod::suspend_edge(edge, pending);
    duals_.suspend(edge);
  }
  void resume_edge(std::size_t edge) final {
    InnovationMethod::resume_edge(edge);
    duals_.resume(edge);
  }

  void forget_edge(std::size_t edge) final {
    InnovationMethod::forget_edge(edge);
    duals_.forget(edge);
  }

  std::uint64_t edge_hash(std::size_t edge) const final {
    return InnovationMethod::edge_hash(edge) + 3 * duals_.hash(edge, is_low(edge));
  }

  void archive(Archive& archive) final {
    InnovationMethod::archive(archive);
    duals_.archive(archive);
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
      : InnovationMethod(std::move(inputs), steps_of(static_cast<float>(alpha))),
        duals_(x_.size(), edges_.size()) {}

  // D
  void dual_sum(std::span<float> into) const {
    std::ranges::fill(into, 0.0f);
    duals_.subtract_sum(into);
    for (float& d : into) d = -d;
  }

  // With ŷ = h + q at both ends: z_e += factor · w_ij (ŷ_i - ŷ_j). References hold ŷ until damp().
  void integrate(std::span<const Arrival> arrivals, double factor) {
    commit(arrivals);
    for (const Arrival& arrival : arrivals) {
      const double step = factor * arrival.terms.weight;
      duals_.add(arrival.edge, static_cast<float>(step), replicas_.ours(arrival.edge),
                 replicas_.theirs(arrival.edge));
    }
  }

  // h <- h + α q, from ŷ.
  void damp(std::span<const Arrival> arrivals) { replicas_.finish(arrivals, coder_.compressor()); }

 private:
  static std::vector<float> steps_of(float alpha) {
    if (alpha == 1) return {1};
    return {1, alpha - 1};
  }

  EdgeDuals duals_;
};

}  // namespace starling::gossip
