#include "gossip/d_psgd.h"

#include <algorithm>

#include "gossip/delta.h"
#include "gossip/shared_floats.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

class DPsgd final : public Method {
 public:
  DPsgd(std::span<const float> start, std::optional<Clipping> clipping)
      : clipping_(std::move(clipping)), x_(start) {}

  std::uint32_t exchanges() const override { return 1; }
  std::size_t body_bytes_max() const override {
    return x_.size() * sizeof(float) + (clipping_ ? Clipping::kTailBytes : 0);
  }

  void begin_at(std::span<const float> model) override {
    std::ranges::copy(model, x_.own().begin());
  }
  void adapt(const LocalStep& step) override {
    if (clipping_) clipping_->follow(step.update);
    subtract(x_.own(), step.update);
  }

  void open_edge(std::size_t edge, Epoch /*history*/) override {
    if (clipping_) clipping_->open(edge);
  }

  Result<void> encode(Exchange /*exchange*/, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    if (edges.empty()) return {};
    std::ranges::fill(out, Message{x_.message()});
    if (clipping_) clipping_->seal(out);
    return {};
  }

  Result<double> check(Exchange /*exchange*/, std::size_t /*edge*/,
                       const Message& message) const override {
    if (!clipping_) return norm_of_raw(message.body, x_.size());
    const Result<Message> opened = Clipping::opened(message);
    return opened ? norm_of_raw(opened->body, x_.size()) : Result<double>(opened.error());
  }

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    if (arrivals.empty()) return;
    const std::span<float> x = x_.own();
    for (const Arrival& arrival : arrivals) {
      double weight = arrival.terms.weight * arrival.terms.relaxation;
      const auto theirs = arrival.theirs.body.floats().first(x_.size());
      const auto ours = arrival.ours.body.floats().first(x_.size());
      if (clipping_) weight *= clipping_->share(arrival, theirs, ours);
      add_difference(x, static_cast<float>(weight), theirs, ours);
    }
  }

  std::span<const float> model() const override { return x_.values(); }
  void archive(Archive& archive) override {
    archive.fixed("model", x_.own());
    if (clipping_) clipping_->archive(archive);
  }

 private:
  std::optional<Clipping> clipping_;
  SharedFloats x_;
};

}  // namespace

std::unique_ptr<Method> make_d_psgd(std::span<const float> start,
                                    std::optional<Clipping> clipping) {
  return std::make_unique<DPsgd>(start, std::move(clipping));
}

}  // namespace starling::gossip
