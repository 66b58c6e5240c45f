#include "gossip/mesh/down_legs.h"

#include <algorithm>
#include <cmath>

#include "gossip/mesh/leg_coder.h"

namespace starling::gossip {
namespace {

class ErrorFeedbackDown final : public CodedDown {
 public:
  ErrorFeedbackDown(LegInputs inputs, std::span<float> model, const FeedbackOptions& options)
      : CodedDown(std::move(inputs), model),
        keep_(static_cast<float>(options.keep)),
        gain_(static_cast<float>(options.gain)),
        error_(shards_.size(self_)) {}

  std::vector<std::span<float>> common() override { return {model_}; }

  Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double rate,
                           std::size_t room) override {
    const auto scale = static_cast<float>(rate);
    for (std::size_t i = 0; i < error_.size(); ++i) {
      error_[i] = keep_ * error_[i] + scale * mean[i];
    }
    return tell(exchange, error_, room);
  }
  void apply(Exchange exchange, std::size_t owner, std::span<const std::byte> message,
             float /*rate*/, bool /*late*/) override {
    coder_.decode_add(exchange, message, -gain_, shards_.of(owner, model_));
  }

  // What an owner had not told of its old shard is lost, once.
  void rewired() override { std::ranges::fill(error_, 0.0f); }
  void archive(Archive& archive) override {
    archive.part("error", error_, shards_.floats());
    coder_.archive(archive);
  }

 private:
  const float keep_, gain_;
  std::vector<float> error_;
};

class ShiftedDown : public CodedDown {
 public:
  ShiftedDown(LegInputs inputs, std::span<float> model)
      : CodedDown(std::move(inputs), model), shift_(shards_.floats()) {}

  std::vector<std::span<float>> common() override { return {model_, shift_}; }

  Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double /*rate*/,
                           std::size_t room) final {
    const std::span<const float> shift = shards_.of(self_, std::span<const float>(shift_));
    return coder_.encode(exchange, self_, coder_.difference(mean, shift), room);
  }
  void apply(Exchange exchange, std::size_t owner, std::span<const std::byte> message, float rate,
             bool /*late*/) override {
    const std::span<float> x = shards_.of(owner, model_), s = followed(exchange, owner, message);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= rate * s[i];
  }
  void archive(Archive& archive) override {
    archive.fixed("shift", shift_);
    coder_.archive(archive);
  }

 protected:
  // S of that shard, with the message in it.
  std::span<float> followed(Exchange exchange, std::size_t owner,
                            std::span<const std::byte> message) {
    const std::span<float> shift = shards_.of(owner, std::span(shift_));
    coder_.decode_add(exchange, message, 1, shift);
    return shift;
  }

 private:
  std::vector<float> shift_;  // S
};

class AmsGradDown final : public ShiftedDown {
 public:
  AmsGradDown(LegInputs inputs, std::span<float> model)
      : ShiftedDown(std::move(inputs), model),
        mean_(model.size()),
        square_(model.size()),
        largest_(model.size()) {}

  std::vector<std::span<float>> common() override {
    std::vector<std::span<float>> all = ShiftedDown::common();
    all.insert(all.end(), {mean_, square_, largest_});
    return all;
  }

  void apply(Exchange exchange, std::size_t owner, std::span<const std::byte> message, float rate,
             bool /*late*/) override {
    constexpr float kBeta1 = 0.9f, kBeta2 = 0.99f, kNu = 1e-8f;
    const std::span<float> x = shards_.of(owner, model_), s = followed(exchange, owner, message);
    const std::span<float> m = shards_.of(owner, std::span(mean_)),
                           v = shards_.of(owner, std::span(square_)),
                           most = shards_.of(owner, std::span(largest_));
    for (std::size_t i = 0; i < x.size(); ++i) {
      m[i] = kBeta1 * m[i] + (1 - kBeta1) * s[i];
      v[i] = kBeta2 * v[i] + (1 - kBeta2) * s[i] * s[i];
      most[i] = std::max(most[i], v[i]);
      x[i] -= rate * m[i] / std::sqrt(most[i] + kNu);
    }
  }
  void archive(Archive& archive) override {
    ShiftedDown::archive(archive);
    archive.fixed("m", mean_);
    archive.fixed("v", square_);
    archive.fixed("v_max", largest_);
  }

 private:
  std::vector<float> mean_, square_, largest_;  // m, v, v̂
};

}  // namespace

std::unique_ptr<DownLeg> make_error_feedback_down(LegInputs inputs, std::span<float> model,
                                                  const FeedbackOptions& options) {
  return std::make_unique<ErrorFeedbackDown>(std::move(inputs), model, options);
}

std::unique_ptr<DownLeg> make_shifted_down(LegInputs inputs, std::span<float> model) {
  return std::make_unique<ShiftedDown>(std::move(inputs), model);
}

std::unique_ptr<DownLeg> make_amsgrad_down(LegInputs inputs, std::span<float> model) {
  return std::make_unique<AmsGradDown>(std::move(inputs), model);
}

}  // namespace starling::gossip
