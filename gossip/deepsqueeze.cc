#include "gossip/deepsqueeze.h"

#include <algorithm>

#include "gossip/delta.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

class DeepSqueeze final : public Method {
 public:
  DeepSqueeze(CompressedInputs inputs, const DeepSqueezeOptions& options)
      : gamma_(options.gamma),
        coder_(inputs.coder()),
        x_(inputs.start.begin(), inputs.start.end()),
        error_(x_.size(), 0.0f) {}

  std::uint32_t exchanges() const override { return 1; }
  std::size_t body_bytes_max() const override { return coder_.bytes_max(); }

  void begin_at(std::span<const float> model) override { std::ranges::copy(model, x_.begin()); }
  void adapt(const LocalStep& step) override { subtract(x_, step.update); }
  void open_edge(std::size_t /*edge*/, Epoch /*history*/) override {}

  Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    if (edges.empty()) return {};
    Result<SharedBytes> message = coder_.encode_ef(exchange, error_, x_);
    if (!message) return message.error();
    std::ranges::fill(out, Message{std::move(*message)});
    return {};
  }

  Result<double> check(Exchange /*exchange*/, std::size_t /*edge*/,
                       const Message& message) const override {
    return coder_.check(message.body.bytes());
  }

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    if (arrivals.empty()) return;
    decode(arrivals.front().ours, ours_);  // the same on every edge
    for (const Arrival& arrival : arrivals) {
      decode(arrival.theirs, theirs_);
      const double step = gamma_ * arrival.terms.weight;
      add_difference(x_, static_cast<float>(step), theirs_, ours_);
    }
  }

  std::span<const float> model() const override { return x_; }
  void archive(Archive& archive) override {
    archive.fixed("model", x_);
    archive.fixed("error", error_);
    coder_.archive(archive);
  }

 private:
  void decode(const Message& message, std::vector<float>& into) {
    into.assign(x_.size(), 0.0f);
    INVARIANT(coder_.compressor().decode_add(message.body.bytes(), 1, into).ok());
  }

  const double gamma_;
  MessageCoder coder_;
  std::vector<float> x_, error_;
  std::vector<float> ours_, theirs_;  // decoded messages of the exchange
};

}  // namespace

std::unique_ptr<Method> make_deepsqueeze(CompressedInputs inputs,
                                         const DeepSqueezeOptions& options) {
  return std::make_unique<DeepSqueeze>(std::move(inputs), options);
}

}  // namespace starling::gossip
