#include "gossip/mesh/down_legs.h"

#include <algorithm>
#include <cmath>

#include "protocol/check.h"

namespace starling::gossip {
namespace {

class BasicDown : public DownLeg {
 public:
  BasicDown(LegInputs inputs, std::span<float> model)
      : shards_(inputs.shards), self_(inputs.self), model_(model), coder_(inputs.coder()) {}

  const MessageCoder& coder() const final { return coder_; }

 protected:
  void decode_add(std::span<const std::byte> message, float scale, std::span<float> into) const {
    INVARIANT(coder_.compressor().decode_add(message, scale, into).ok());
  }

  const Shards shards_;
  const std::size_t self_;
  const std::span<float> model_;
  MessageCoder coder_;
};

class ErrorFeedbackDown final : public BasicDown {
 public:
  ErrorFeedbackDown(LegInputs inputs, std::span<float> model)
      : BasicDown(std::move(inputs), model), error_(shards_.size(self_)) {}

  std::vector<std::span<float>> common() override { return {model_}; }

  Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double rate,
                           std::size_t room) override {
    const auto scale = static_cast<float>(rate);
    for (std::size_t i = 0; i < error_.size(); ++i) error_[i] += scale * mean[i];
    Result<ByteBlock> told = coder_.encode_shard(exchange, self_, error_, room);
    if (told) decode_add(std::as_const(*told).bytes().subspan(room), -1, error_);
    return told;
  }
  void apply(std::size_t owner, std::span<const std::byte> message, float /*rate*/) override {
    decode_add(message, -1, shards_.of(owner, model_));
  }

  // What an owner had not told of its old shard is lost, once.
  void rewired() override { std::ranges::fill(error_, 0.0f); }
  void archive(Archive& archive) override {
    archive.part("error", error_, shards_.floats());
    coder_.archive(archive);
  }

 private:
  std::vector<float> error_;
};

class ShiftedDown : public BasicDown {
 public:
  ShiftedDown(LegInputs inputs, std::span<float> model)
      : BasicDown(std::move(inputs), model), shift_(shards_.floats()) {}

  std::vector<std::span<float>> common() override { return {model_, shift_}; }

  Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double /*rate*/,
                           std::size_t room) final {
    const std::span<const float> shift = shards_.of(self_, std::span<const float>(shift_));
    apart_.resize(mean.size());
    for (std::size_t i = 0; i < apart_.size(); ++i) apart_[i] = mean[i] - shift[i];
    return coder_.encode_shard(exchange, self_, apart_, room);
  }
  void apply(std::size_t owner, std::span<const std::byte> message, float rate) override {
    const std::span<float> x = shards_.of(owner, model_), s = followed(owner, message);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= rate * s[i];
  }
  void archive(Archive& archive) override {
    archive.fixed("shift", shift_);
    coder_.archive(archive);
  }

 protected:
  // S of that shard, with the message in it.
  std::span<float> followed(std::size_t owner, std::span<const std::byte> message) {
    const std::span<float> shift = shards_.of(owner, std::span(shift_));
    decode_add(message, 1, shift);
    return shift;
  }

 private:
  std::vector<float> shift_;  // S
  std::vector<float> apart_;
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

  void apply(std::size_t owner, std::span<const std::byte> message, float rate) override {
    constexpr float kBeta1 = 0.9f, kBeta2 = 0.99f, kNu = 1e-8f;
    const std::span<float> x = shards_.of(owner, model_), s = followed(owner, message);
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

std::unique_ptr<DownLeg> make_error_feedback_down(LegInputs inputs, std::span<float> model) {
  return std::make_unique<ErrorFeedbackDown>(std::move(inputs), model);
}

std::unique_ptr<DownLeg> make_shifted_down(LegInputs inputs, std::span<float> model) {
  return std::make_unique<ShiftedDown>(std::move(inputs), model);
}

std::unique_ptr<DownLeg> make_amsgrad_down(LegInputs inputs, std::span<float> model) {
  return std::make_unique<AmsGradDown>(std::move(inputs), model);
}

}  // namespace starling::gossip
