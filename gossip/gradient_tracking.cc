#include "gossip/gradient_tracking.h"

#include <algorithm>

#include "compress/finite.h"
#include "gossip/delta.h"
#include "gossip/tracked_update.h"

namespace starling::gossip {
namespace {

class GradientTracking final : public Method {
 public:
  GradientTracking(std::span<const float> start, std::vector<EdgeEnd> edges)
      : edges_(std::move(edges)),
        tracked_(start.size()),
        state_(2 * start.size(), 0.0f),
        size_(start.size()) {
    std::ranges::copy(start, state_.begin());
  }

  std::uint32_t exchanges() const override { return 1; }
  std::size_t body_bytes_max() const override { return state_.size() * sizeof(float); }

  void adapt(const LocalStep& step) override {
    const std::span<float> x = std::span(state_).first(size_), v = std::span(state_).last(size_);
    tracked_.track(step, v);
    subtract(x, v);
  }
  void open_edge(std::size_t /*edge*/, Epoch /*history*/) override {}

  Result<void> encode(Exchange /*exchange*/, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    if (edges.empty()) return {};
    std::ranges::fill(out, Message{raw_message(state_)});
    return {};
  }

  Result<void> check(Exchange /*exchange*/, const Message& message) const override {
    return compress::check_raw_floats(message.body.bytes(), state_.size());
  }

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    for (const Arrival& arrival : arrivals) {
      const auto weight = static_cast<float>(edges_[arrival.edge].weight);
      add_difference(state_, weight, arrival.theirs.body.floats(), arrival.ours.body.floats());
    }
  }

  std::span<const float> model() const override { return std::span(state_).first(size_); }
  void archive(Archive& archive) override {
    archive.fixed("model_and_tracker", state_);
    tracked_.archive(archive);
  }

 private:
  const std::vector<EdgeEnd> edges_;
  TrackedUpdate tracked_;
  std::vector<float> state_;  // x, then v
  std::size_t size_;
};

}  // namespace

std::unique_ptr<Method> make_gradient_tracking(std::span<const float> start,
                                               std::vector<EdgeEnd> edges) {
  return std::make_unique<GradientTracking>(start, std::move(edges));
}

}  // namespace starling::gossip
