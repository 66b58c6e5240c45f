#include "gossip/mesh/up_legs.h"

#include <algorithm>

#include "gossip/delta.h"
#include "gossip/mesh/leg_coder.h"

namespace starling::gossip {
namespace {

// ---- nothing kept, and error feedback ---------------------------------------------------------

class PlainUp final : public SummedUp {
 public:
  using SummedUp::SummedUp;

  void adapt(const LocalStep& step) override { update_ = step.update; }
  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    if (participation_.rests(exchange.round)) return ByteBlock(room);
    return coder_.encode(exchange, owner, shards_.of(owner, update_), room);
  }
  void counted(Exchange, std::size_t, std::span<const std::byte>, bool) override {}

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
    return coder_.encode(exchange, owner, shards_.of(owner, std::span(error_)), room);
  }
  void counted(Exchange exchange, std::size_t owner, std::span<const std::byte> piece,
               bool /*late*/) override {
    coder_.decode_add(exchange, piece, -1, shards_.of(owner, std::span(error_)));
  }
  void archive(Archive& archive, std::span<const std::size_t> owners) override {
    archive.fixed("error", error_);
    SummedUp::archive(archive, owners);
  }

 private:
  std::vector<float> error_;  // e, and between adapt and counted p
};

// ---- shifts -----------------------------------------------------------------------------------

class ShiftedUp final : public CodedUp {
 public:
  ShiftedUp(LegInputs inputs, const ShiftOptions& options)
      : CodedUp(std::move(inputs)),
        alpha_(static_cast<float>(options.alpha)),
        eta_(static_cast<float>(options.eta)),
        momentum_(static_cast<float>(options.momentum)),
        shift_(shards_.floats()),
        error_(eta_ > 0 ? shards_.floats() : 0),
        mean_(momentum_ < 1 ? shards_.floats() : 0),
        theirs_(shards_.owners()),
        beside_(alpha_ < 1 || participation_.is_partial() ? shards_.size(self_) : 0) {
    for (std::size_t j = 0; j < theirs_.size(); ++j) {
      if (j != self_) theirs_[j].resize(shards_.size(self_));
    }
  }

  void adapt(const LocalStep& step) override {
    rate_ = step.learning_rate;
    update_ = step.buffer;
    const auto scale = static_cast<float>(rate_ > 0 ? 1 / rate_ : 0);
    if (mean_.empty()) {
      sent_ = step.update;
      scale_ = scale;
      return;
    }
    const float keep = has_begun_ ? 1 - momentum_ : 0, add = has_begun_ ? momentum_ * scale : scale;
    has_begun_ = true;
    for (std::size_t i = 0; i < mean_.size(); ++i) {
      mean_[i] = keep * mean_[i] + add * step.update[i];
    }
    sent_ = mean_;
  }

  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    if (participation_.rests(exchange.round)) return ByteBlock(room);
    const std::size_t begin = shards_.begin(owner);
    const std::span<float> piece = coder_.work(shards_.size(owner));
    for (std::size_t i = 0; i < piece.size(); ++i) {
      const std::size_t at = begin + i;
      piece[i] = scale_ * sent_[at] - shift_[at] + (eta_ > 0 ? eta_ * error_[at] : 0);
    }
    return coder_.encode(exchange, owner, piece, room);
  }

  // What is made up for moves the shifts, which are both ends' affair; the feedback of a round that
  // is over goes without it.
  void counted(Exchange exchange, std::size_t owner, std::span<const std::byte> piece,
               bool late) override {
    if (piece.empty()) return;
    const std::span<float> shift = shards_.of(owner, std::span(shift_));
    if (eta_ > 0 && !late) {
      const std::span<float> error = shards_.of(owner, std::span(error_));
      const std::span<const float> sent = shards_.of(owner, sent_);
      for (std::size_t i = 0; i < error.size(); ++i) error[i] += scale_ * sent[i] - shift[i];
      coder_.decode_add(exchange, piece, -1, error);
    }
    coder_.decode_add(exchange, piece, alpha_, shift);
  }

  void take(Exchange exchange, std::size_t from, std::span<const std::byte> piece,
            bool /*late*/) override {
    if (piece.empty()) return;
    if (from != self_) coder_.decode_add(exchange, piece, alpha_, theirs_[from]);
    if (beside_.empty()) return;
    const auto weight = static_cast<float>(participation_.weight(from));
    coder_.decode_add(exchange, piece, weight - alpha_, beside_);
    participation_.has_come(from);
  }

  // The shifts hold α c already.
  void reduce(Exchange /*exchange*/, std::span<float> mean) override {
    std::ranges::fill(mean, 0.0f);
    for (std::size_t j = 0; j < theirs_.size(); ++j) add(mean, shift_of(j));
    for (std::size_t i = 0; i < beside_.size(); ++i) mean[i] += beside_[i];
    std::ranges::fill(beside_, 0.0f);
    participation_.end_round();
    const auto n = static_cast<float>(shards_.owners());
    for (float& value : mean) value /= n;
    sent_ = {};
  }
  // The update is of no use from the reduction on.
  void spare(bool on) override {
    CodedUp::spare(on);
    if (!sent_.empty()) return;
    if (on && update_) *update_ = std::vector<float>();  // {} would keep the memory
    update_ = nullptr;
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
    participation_.rewired();
  }

  void archive(Archive& archive, std::span<const std::size_t> owners) override {
    archive.fixed("shift", shift_);
    if (eta_ > 0) archive.fixed("error", error_);
    if (!mean_.empty()) archive.fixed("momentum", mean_);
    archive.number("has_begun", has_begun_);
    if (!beside_.empty()) archive.part("beside", beside_, shards_.floats());
    participation_.archive(archive);
    for (std::size_t e = 0; e < owners.size(); ++e) {
      const Archive::Member member(archive, "edge", e);
      if (member) archive.part("theirs", theirs_[owners[e]], shards_.floats());
    }
    coder_.archive(archive);
  }

 private:
  // h_j of the own shard.
  std::span<const float> shift_of(std::size_t j) const {
    return j == self_ ? shards_.of(self_, std::span<const float>(shift_)) : theirs_[j];
  }

  const float alpha_, eta_, momentum_;
  std::vector<float> shift_;     // h
  std::vector<float> error_;     // e
  std::vector<float> mean_;      // v, where it is not the gradient of the round
  std::span<const float> sent_;  // until reduced: scale_ times it is v, mean_ or the update
  std::vector<float>* update_ = nullptr;
  float scale_ = 1;
  std::vector<std::vector<float>> theirs_;  // of the own shard, h_j of every other node
  std::vector<float> beside_;               // Σ (1 / p_j - α) c_j of the round
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
