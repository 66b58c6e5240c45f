#include "gossip/mesh/liec.h"

#include <algorithm>

#include "gossip/delta.h"
#include "gossip/mesh/leg_coder.h"

namespace starling::gossip {
namespace {

LegCoder::IsDense averages(Round period) {
  return [period](Round round) { return (round + 1) % period == 0; };
}

class LiecUp final : public CodedUp {
 public:
  LiecUp(LegInputs inputs, std::span<float> model, Round period)
      : CodedUp(std::move(inputs), averages(period)),
        model_(model),
        sum_(shards_.size(self_)),
        late_(shards_.size(self_)) {}

  void adapt(const LocalStep& step) override {
    update_ = step.update;
    subtract(model_, update_);
  }
  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    const std::span<const float> sent = coder_.is_dense(exchange) ? model_ : update_;
    return coder_.encode(exchange, owner, shards_.of(owner, sent), room);
  }
  void counted(Exchange exchange, std::size_t owner, std::span<const std::byte> piece,
               bool /*late*/) override {
    if (coder_.is_dense(exchange)) return;
    coder_.decode_add(exchange, piece, 1, shards_.of(owner, model_));
  }
  // An average that is over goes without what comes late.
  void take(Exchange exchange, std::size_t /*from*/, std::span<const std::byte> piece,
            bool late) override {
    if (late && coder_.is_dense(exchange)) return;
    coder_.decode_add(exchange, piece, 1, late ? late_ : sum_);
    if (!late) ++pieces_;
  }
  void reduce(Exchange exchange, std::span<float> mean) override {
    if (coder_.is_dense(exchange)) {
      take_mean(sum_, pieces_, mean);
    } else {
      for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] += late_[i];
      std::ranges::fill(late_, 0.0f);
      take_mean(sum_, shards_.owners(), mean);
    }
    pieces_ = 0;
  }
  double rate() const override { return 1; }
  void rewired() override { std::ranges::fill(late_, 0.0f); }
  void archive(Archive& archive, std::span<const std::size_t> /*owners*/) override {
    archive.part("late", late_, shards_.floats());
    coder_.archive(archive);
  }

 private:
  const std::span<float> model_;
  std::span<const float> update_;
  std::vector<float> sum_;   // of this round's pieces
  std::vector<float> late_;  // of earlier rounds'
  std::size_t pieces_ = 0;   // in sum_
};

class LiecDown final : public CodedDown {
 public:
  LiecDown(LegInputs inputs, std::span<float> model, Round period)
      : CodedDown(std::move(inputs), model, averages(period)), error_(shards_.size(self_)) {}

  std::vector<std::span<float>> common() override { return {}; }

  Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double /*rate*/,
                           std::size_t room) override {
    const float sign = coder_.is_dense(exchange) ? -1 : 1;
    for (std::size_t i = 0; i < error_.size(); ++i) error_[i] = sign * error_[i] + mean[i];
    return tell(exchange, error_, room);
  }
  void apply(Exchange exchange, std::size_t owner, std::span<const std::byte> message,
             float /*rate*/, bool late) override {
    const std::span<float> x = shards_.of(owner, model_);
    if (!coder_.is_dense(exchange)) {
      coder_.decode_add(exchange, message, -1, x);
    } else if (!late) {
      std::ranges::fill(x, 0.0f);
      coder_.decode_add(exchange, message, 1, x);
    }
  }
  void rewired() override { std::ranges::fill(error_, 0.0f); }
  void archive(Archive& archive) override {
    archive.part("error", error_, shards_.floats());
    coder_.archive(archive);
  }

 private:
  std::vector<float> error_;  // e
};

}  // namespace

Legs make_liec(LegInputs up, LegInputs down, std::span<float> model, Round period) {
  return {.up = std::make_unique<LiecUp>(std::move(up), model, period),
          .down = std::make_unique<LiecDown>(std::move(down), model, period)};
}

}  // namespace starling::gossip
