#include "gossip/d_psgd.h"

#include <algorithm>

#include "gossip/delta.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

class DPsgd final : public Method {
 public:
  DPsgd(std::span<const float> start, std::optional<Clipping> clipping)
      : clipping_(std::move(clipping)), x_(start.begin(), start.end()) {}

  std::uint32_t exchanges() const override { return 1; }
  std::size_t body_bytes_max() const override {
    return x_.size() * sizeof(float) + (clipping_ ? Clipping::kTailBytes : 0);
  }

  void begin_at(std::span<const float> model) override { std::ranges::copy(model, x_.begin()); }
  void adapt(const LocalStep& step) override {
    if (clipping_) clipping_->follow(step.update);
    subtract(x_, step.update);
  }

  void open_edge(std::size_t edge, Epoch /*history*/) override {
    if (clipping_) clipping_->open(edge);
  }

  Result<void> encode(Exchange /*exchange*/, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    if (edges.empty()) return {};
    std::ranges::fill(out, Message{raw_message(x_)});
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
    for (const Arrival& arrival : arrivals) {
      double weight = arrival.terms.weight * arrival.terms.relaxation;
      const auto theirs = arrival.theirs.body.floats().first(x_.size());
      const auto ours = arrival.ours.body.floats().first(x_.size());
      if (clipping_) weight *= clipping_->share(arrival, theirs, ours);
      add_difference(x_, static_cast<float>(weight), theirs, ours);
    }
  }

  std::span<const float> model() const override { return x_; }
  void archive(Archive& archive) override {
    archive.fixed("model", x_);
    if (clipping_) clipping_->archive(archive);
  }

 private:
  std::optional<Clipping> clipping_;
  std::vector<float> x_;
};

}  // namespace

std::unique_ptr<Method> make_d_psgd(std::span<const float> start,
                                    std::optional<Clipping> clipping) {
  return std::make_unique<DPsgd>(start, std::move(clipping));
}

}  // namespace starling::gossip
