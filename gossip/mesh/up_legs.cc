#include "gossip/mesh/up_legs.h"

#include <algorithm>

#include "gossip/delta.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

class BasicUp : public UpLeg {
 public:
  explicit BasicUp(LegInputs inputs)
      : shards_(inputs.shards), self_(inputs.self), coder_(inputs.coder()) {}

  const MessageCoder& coder() const final { return coder_; }

 protected:
  void decode_add(std::span<const std::byte> piece, float scale, std::span<float> into) const {
    INVARIANT(coder_.compressor().decode_add(piece, scale, into).ok());
  }

  const Shards shards_;
  const std::size_t self_;
  MessageCoder coder_;
};

// ---- nothing kept, and error feedback ---------------------------------------------------------

// The owner's sum of pieces, each of which counts once.
class SummedUp : public BasicUp {
 public:
  explicit SummedUp(LegInputs inputs) : BasicUp(std::move(inputs)), sum_(shards_.size(self_)) {}

  void take(std::size_t /*from*/, std::span<const std::byte> piece) final {
    decode_add(piece, 1, sum_);
  }
  void reduce(std::span<float> mean) final {
    const auto n = static_cast<float>(shards_.owners());
    for (std::size_t i = 0; i < sum_.size(); ++i) mean[i] = sum_[i] / n;
    std::ranges::fill(sum_, 0.0f);
  }
  double rate() const final { return 1; }
  void rewired() final { std::ranges::fill(sum_, 0.0f); }
  // Between rounds the sum holds what was made up for.
  void archive(Archive& archive, std::span<const std::size_t> /*owners*/) override {
    archive.part("late", sum_, shards_.floats());
    coder_.archive(archive);
  }

 private:
  std::vector<float> sum_;
};

class PlainUp final : public SummedUp {
 public:
  using SummedUp::SummedUp;

  void adapt(const LocalStep& step) override { update_ = step.update; }
  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    return coder_.encode_shard(exchange, owner, shards_.of(owner, update_), room);
  }
  void counted(std::size_t, std::span<const std::byte>, bool) override {}

 private:
  std::span<const float> update_;
};

class ErrorFeedbackUp final : public SummedUp {
 public:
  explicit ErrorFeedbackUp(LegInputs inputs)
      : SummedUp(std::move(inputs)), error_(shards_.floats()) {}

  void adapt(const LocalStep& step) override {
    for (std::size_t i = 0; i < error_.size(); ++i) error_[i] += step.update[i];
  }
  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    return coder_.encode_shard(exchange, owner, shards_.of(owner, std::span(error_)), room);
  }
  void counted(std::size_t owner, std::span<const std::byte> piece, bool /*late*/) override {
    decode_add(piece, -1, shards_.of(owner, std::span(error_)));
  }
  void archive(Archive& archive, std::span<const std::size_t> owners) override {
    archive.fixed("error", error_);
    SummedUp::archive(archive, owners);
  }

 private:
  std::vector<float> error_;  // e, and between adapt and counted p
};

// ---- shifts -----------------------------------------------------------------------------------

class ShiftedUp final : public BasicUp {
 public:
  ShiftedUp(LegInputs inputs, const ShiftOptions& options)
      : BasicUp(std::move(inputs)),
        alpha_(static_cast<float>(options.alpha)),
        eta_(static_cast<float>(options.eta)),
        momentum_(static_cast<float>(options.momentum)),
        shift_(shards_.floats()),
        error_(eta_ > 0 ? shards_.floats() : 0),
        sent_(shards_.floats()),
        theirs_(shards_.owners(), std::vector<float>(shards_.size(self_))),
        beside_(alpha_ < 1 ? shards_.size(self_) : 0) {}

  void adapt(const LocalStep& step) override {
    rate_ = step.learning_rate;
    const auto scale = static_cast<float>(rate_ > 0 ? 1 / rate_ : 0);
    const float keep = has_begun_ ? 1 - momentum_ : 0, add = has_begun_ ? momentum_ * scale : scale;
    has_begun_ = true;
    for (std::size_t i = 0; i < sent_.size(); ++i) {
      sent_[i] = keep * sent_[i] + add * step.update[i];
    }
  }

  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    const std::size_t begin = shards_.begin(owner);
    piece_.resize(shards_.size(owner));
    for (std::size_t i = 0; i < piece_.size(); ++i) {
      const std::size_t at = begin + i;
      piece_[i] = sent_[at] - shift_[at] + (eta_ > 0 ? eta_ * error_[at] : 0);
    }
    return coder_.encode_shard(exchange, owner, piece_, room);
  }

  // What is made up for moves the shifts, which are both ends' affair; the feedback of a round that
  // is over goes without it.
  void counted(std::size_t owner, std::span<const std::byte> piece, bool late) override {
    const std::span<float> shift = shards_.of(owner, std::span(shift_));
    if (eta_ > 0 && !late) {
      const std::span<float> error = shards_.of(owner, std::span(error_));
      const std::span<const float> sent = shards_.of(owner, std::span<const float>(sent_));
      for (std::size_t i = 0; i < error.size(); ++i) error[i] += sent[i] - shift[i];
      decode_add(piece, -1, error);
    }
    decode_add(piece, alpha_, shift);
  }

  void take(std::size_t from, std::span<const std::byte> piece) override {
    decode_add(piece, alpha_, theirs_[from]);
    if (alpha_ < 1) decode_add(piece, 1 - alpha_, beside_);
  }

  // The shifts hold α c already.
  void reduce(std::span<float> mean) override {
    std::ranges::fill(mean, 0.0f);
    for (const std::vector<float>& theirs : theirs_) {
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += theirs[i];
    }
    for (std::size_t i = 0; i < beside_.size(); ++i) mean[i] += beside_[i];
    std::ranges::fill(beside_, 0.0f);
    const auto n = static_cast<float>(shards_.owners());
    for (float& value : mean) value /= n;
  }
  double rate() const override { return rate_; }

  void open(std::size_t other) override {
    std::ranges::fill(shards_.of(other, std::span(shift_)), 0.0f);
    std::ranges::fill(theirs_[other], 0.0f);
  }
  std::uint64_t hash(std::size_t other, bool self_is_low) const override {
    return hash_of_both(hash_of_floats(shards_.of(other, std::span<const float>(shift_))),
                        hash_of_floats(theirs_[other]), self_is_low);
  }
  // The nodes agree on the moment, so that shifts of 0 are the same at both ends.
  void rewired() override {
    std::ranges::fill(shift_, 0.0f);
    for (std::vector<float>& theirs : theirs_) std::ranges::fill(theirs, 0.0f);
    std::ranges::fill(beside_, 0.0f);
  }

  void archive(Archive& archive, std::span<const std::size_t> owners) override {
    archive.fixed("shift", shift_);
    if (eta_ > 0) archive.fixed("error", error_);
    if (momentum_ < 1) archive.fixed("momentum", sent_);
    archive.number("has_begun", has_begun_);
    archive.part("own", theirs_[self_], shards_.floats());
    if (alpha_ < 1) archive.part("beside", beside_, shards_.floats());
    for (std::size_t e = 0; e < owners.size(); ++e) {
      const Archive::Member member(archive, "edge", e);
      if (member) archive.part("theirs", theirs_[owners[e]], shards_.floats());
    }
    coder_.archive(archive);
  }

 private:
  const float alpha_, eta_, momentum_;
  std::vector<float> shift_;                // h
  std::vector<float> error_;                // e
  std::vector<float> sent_;                 // v, or the gradient of the round where it is the same
  std::vector<std::vector<float>> theirs_;  // of the own shard, h_j of every node
  std::vector<float> beside_;               // (1 - α) Σ c_j of the round
  std::vector<float> piece_;
  double rate_ = 1;
  bool has_begun_ = false;
};

}  // namespace

std::unique_ptr<UpLeg> make_error_feedback_up(LegInputs inputs) {
  return std::make_unique<ErrorFeedbackUp>(std::move(inputs));
}

std::unique_ptr<UpLeg> make_shifted_up(LegInputs inputs, const ShiftOptions& options) {
  return std::make_unique<ShiftedUp>(std::move(inputs), options);
}

std::unique_ptr<UpLeg> make_plain_up(LegInputs inputs) {
  return std::make_unique<PlainUp>(std::move(inputs));
}

}  // namespace starling::gossip
