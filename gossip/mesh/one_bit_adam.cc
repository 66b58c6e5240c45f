#include "gossip/mesh/one_bit_adam.h"

#include <algorithm>

#include "gossip/mesh/adam_moments.h"
#include "gossip/mesh/leg_coder.h"

namespace starling::gossip {
namespace {

using Moments = std::shared_ptr<AdamMoments>;

LegCoder::IsDense warms_up(Round freeze) {
  return [freeze](Round round) { return round < freeze; };
}

class OneBitAdamUp final : public SummedUp {
 public:
  OneBitAdamUp(LegInputs inputs, Moments moments)
      : SummedUp(std::move(inputs), warms_up(moments->freeze())),
        moments_(std::move(moments)),
        error_(shards_.floats()) {}

  void adapt(const LocalStep& step) override {
    rate_ = step.learning_rate;
    update_ = step.update;
  }
  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    const auto scale = static_cast<float>(rate_ > 0 ? 1 / rate_ : 0);
    const std::span<const float> update = shards_.of(owner, update_);
    if (coder_.is_dense(exchange)) {
      const std::span<float> piece = piece_.of(shards_, owner);
      for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = scale * update[i];
      return coder_.encode(exchange, owner, piece, room);
    }
    constexpr float kBeta1 = AdamMoments::kBeta1;
    const std::span<float> error = shards_.of(owner, std::span(error_)),
                           m = shards_.of(owner, std::span(moments_->m));
    for (std::size_t i = 0; i < error.size(); ++i) {
      error[i] += kBeta1 * m[i] + (1 - kBeta1) * (scale * update[i]);
    }
    return coder_.encode(exchange, owner, error, room);
  }
  void counted(Exchange exchange, std::size_t owner, std::span<const std::byte> piece,
               bool /*late*/) override {
    if (coder_.is_dense(exchange)) return;
    coder_.decode_add(exchange, piece, -1, shards_.of(owner, std::span(error_)));
  }
  double rate() const override { return rate_; }
  void archive(Archive& archive, std::span<const std::size_t> owners) override {
    archive.fixed("error", error_);
    SummedUp::archive(archive, owners);
  }

 private:
  const Moments moments_;
  std::span<const float> update_;
  double rate_ = 1;
  std::vector<float> error_;  // e_i
  ShardBuffer piece_;
};

class OneBitAdamDown final : public CodedDown {
 public:
  OneBitAdamDown(LegInputs inputs, std::span<float> model, Moments moments)
      : CodedDown(std::move(inputs), model, warms_up(moments->freeze())),
        moments_(std::move(moments)),
        error_(shards_.size(self_)) {}

  std::vector<std::span<float>> common() override { return {model_, moments_->m, moments_->v}; }

  Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double /*rate*/,
                           std::size_t room) override {
    for (std::size_t i = 0; i < error_.size(); ++i) error_[i] += mean[i];
    return tell(exchange, error_, room);
  }

  void apply(Exchange exchange, std::size_t owner, std::span<const std::byte> message, float rate,
             bool /*late*/) override {
    const std::span<float> x = shards_.of(owner, model_),
                           m = shards_.of(owner, std::span(moments_->m)),
                           v = shards_.of(owner, std::span(moments_->v));
    const std::span<float> scales = scales_.of(shards_, owner);
    double filled = 1;
    Round updates = moments_->freeze();
    if (coder_.is_dense(exchange)) {
      const std::span<float> gradient = scales;  // until the scales are needed
      std::ranges::fill(gradient, 0.0f);
      coder_.decode_add(exchange, message, 1, gradient);
      AdamMoments::take(m, v, gradient, true);
      updates = exchange.round + 1;
      filled = AdamMoments::filled(updates);
    } else {
      std::ranges::fill(m, 0.0f);
      coder_.decode_add(exchange, message, 1, m);
      AdamMoments::learn_from_momentum(v, m, updates);
    }
    AdamMoments::fill_scales(v, updates, scales);
    const auto step = static_cast<float>(rate / filled);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= step * m[i] * scales[i];
  }

  void rewired() override { std::ranges::fill(error_, 0.0f); }
  void archive(Archive& archive) override {
    archive.part("error", error_, shards_.floats());
    archive.fixed("m", moments_->m);
    archive.fixed("v", moments_->v);
    coder_.archive(archive);
  }

 private:
  const Moments moments_;
  std::vector<float> error_;  // e
  ShardBuffer scales_;
};

}  // namespace

Legs make_one_bit_adam(LegInputs up, LegInputs down, std::span<float> model, Round freeze) {
  const auto moments = std::make_shared<AdamMoments>(model.size(), freeze);
  return {.up = std::make_unique<OneBitAdamUp>(std::move(up), moments),
          .down = std::make_unique<OneBitAdamDown>(std::move(down), model, moments)};
}

}  // namespace starling::gossip
