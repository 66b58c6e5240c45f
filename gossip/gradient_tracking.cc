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
      : tracked_(start.size()),
        state_(std::vector<float>(2 * start.size(), 0.0f)),
        size_(start.size()) {
    begin_at(start);
  }

  std::uint32_t exchanges() const override { return 1; }
  std::size_t body_bytes_max() const override { return state_.size() * sizeof(float); }

  void begin_at(std::span<const float> model) override {
    std::ranges::copy(model, state_.own().begin());
  }
  void adapt(const LocalStep& step) override {
    const std::span<float> x = state_.own().first(size_), v = state_.own().last(size_);
    tracked_.track(step, v);
    subtract(x, v);
  }
  void open_edge(std::size_t /*edge*/, Epoch /*history*/) override {}

  Result<void> encode(Exchange /*exchange*/, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    if (edges.empty()) return {};
    std::ranges::fill(out, Message{state_.message()});
    return {};
  }

  Result<double> check(Exchange /*exchange*/, std::size_t /*edge*/,
                       const Message& message) const override {
    return norm_of_raw(message.body, state_.size());
  }

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    if (arrivals.empty()) return;
    const std::span<float> state = state_.own();
    for (const Arrival& arrival : arrivals) {
      const auto weight = static_cast<float>(arrival.terms.weight);
      add_difference(state, weight, arrival.theirs.body.floats(), arrival.ours.body.floats());
    }
  }

  // A node that leaves takes its part of both sums along; the mean of v is that of u once more
  // when v begins anew at every node that stays.
  bool rewired() override {
    tracked_.restart(state_.own().last(size_));
    return false;
  }

  std::span<const float> model() const override { return state_.values().first(size_); }
  void archive(Archive& archive) override {
    archive.fixed("model_and_tracker", state_.own());
    tracked_.archive(archive);
  }

 private:
  TrackedUpdate tracked_;
  SharedFloats state_;  // x, then v
  std::size_t size_;
};

}  // namespace

std::unique_ptr<Method> make_gradient_tracking(std::span<const float> start) {
  return std::make_unique<GradientTracking>(start);
}

}  // namespace starling::gossip
