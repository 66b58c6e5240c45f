#include "gossip/gradient_tracking.h"

#include <algorithm>

#include "gossip/delta.h"
#include "gossip/shared_floats.h"
#include "gossip/tracked_update.h"

namespace starling::gossip {
namespace {

class GradientTracking final : public Method {
 public:
  explicit GradientTracking(std::span<const float> start)
      : tracked_(start.size()), x_(start), v_(std::vector<float>(start.size(), 0.0f)) {}

  std::uint32_t exchanges() const override { return 2; }
  std::size_t body_bytes_max() const override { return x_.size() * sizeof(float); }

  void begin_at(std::span<const float> model) override {
    std::ranges::copy(model, x_.own().begin());
  }
  void adapt(const LocalStep& step) override {
    tracked_.track(step, v_.own());
    subtract(x_.own(), v_.values());
  }
  void open_edge(std::size_t /*edge*/, Epoch /*history*/) override {}

  Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    if (edges.empty()) return {};
    std::ranges::fill(out, Message{sent_in(exchange).message()});
    return {};
  }

  Result<double> check(Exchange /*exchange*/, std::size_t /*edge*/,
                       const Message& message) const override {
    return norm_of_raw(message.body, x_.size());
  }

  void mix(Exchange exchange, std::span<const Arrival> arrivals) override {
    if (arrivals.empty()) return;
    const std::span<float> into = sent_in(exchange).own();
    for (const Arrival& arrival : arrivals) {
      const auto weight = static_cast<float>(arrival.terms.weight);
      add_difference(into, weight, arrival.theirs.body.floats(), arrival.ours.body.floats());
    }
  }

  // A node that leaves takes its part of both sums along; the mean of v is that of u once more
  // when v begins anew at every node that stays.
  bool rewired() override {
    tracked_.restart(v_.own());
    return false;
  }

  std::span<const float> model() const override { return x_.values(); }
  void archive(Archive& archive) override {
    archive.fixed("model", x_.own());
    archive.fixed("tracker", v_.own());
    tracked_.archive(archive);
  }

 private:
  SharedFloats& sent_in(Exchange exchange) { return exchange.index == 0 ? x_ : v_; }

  TrackedUpdate tracked_;
  SharedFloats x_, v_;
};

}  // namespace

std::unique_ptr<Method> make_gradient_tracking(std::span<const float> start) {
  return std::make_unique<GradientTracking>(start);
}

}  // namespace starling::gossip
