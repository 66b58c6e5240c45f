#include "gossip/nids.h"

#include <algorithm>

#include "gossip/delta.h"
#include "gossip/edge_duals.h"
#include "gossip/shared_floats.h"

namespace starling::gossip {
namespace {

class Nids final : public Method {
 public:
  Nids(std::span<const float> start, std::vector<EdgeEnd> edges, const NidsOptions& options)
      : factor_(options.factor),
        edges_(std::move(edges)),
        duals_(start.size(), edges_.size()),
        x_(start) {}

  std::uint32_t exchanges() const override { return 1; }
  std::size_t body_bytes_max() const override { return x_.size() * sizeof(float); }

  void begin_at(std::span<const float> model) override {
    std::ranges::copy(model, x_.own().begin());
  }
  void adapt(const LocalStep& step) override {
    duals_.follow(step.learning_rate);
    const std::span<float> x = x_.own();
    subtract(x, step.update);
    duals_.subtract_sum(x);
  }
  void open_edge(std::size_t edge, Epoch /*history*/) override { duals_.open(edge); }
  void suspend_edge(std::size_t edge, bool /*pending*/) override { duals_.suspend(edge); }
  void resume_edge(std::size_t edge) override { duals_.resume(edge); }

  Result<void> encode(Exchange /*exchange*/, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    if (edges.empty()) return {};
    std::ranges::fill(out, Message{x_.message()});
    return {};
  }

  Result<double> check(Exchange /*exchange*/, std::size_t /*edge*/,
                       const Message& message) const override {
    return norm_of_raw(message.body, x_.size());
  }

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    if (arrivals.empty()) return;
    const std::span<float> x = x_.own();
    for (const Arrival& arrival : arrivals) {
      const auto step = static_cast<float>(factor_ * arrival.terms.weight);
      const auto ours = arrival.ours.body.floats(), theirs = arrival.theirs.body.floats();
      duals_.add(arrival.edge, step, ours, theirs);
      add_difference(x, step, theirs, ours);
    }
  }

  std::span<const float> model() const override { return x_.values(); }
  std::uint64_t edge_hash(std::size_t edge) const override {
    return duals_.hash(edge, edges_[edge].self < edges_[edge].peer);
  }
  void archive(Archive& archive) override {
    archive.fixed("model", x_.own());
    duals_.archive(archive);
  }

 private:
  const double factor_;
  const std::vector<EdgeEnd> edges_;
  EdgeDuals duals_;
  SharedFloats x_;  // y between adapt and mix
};

}  // namespace

std::unique_ptr<Method> make_nids(std::span<const float> start, std::vector<EdgeEnd> edges,
                                  const NidsOptions& options) {
  return std::make_unique<Nids>(start, std::move(edges), options);
}

}  // namespace starling::gossip
