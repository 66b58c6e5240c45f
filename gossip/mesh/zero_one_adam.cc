#include "gossip/mesh/zero_one_adam.h"

#include <algorithm>
#include <bit>

#include "gossip/mesh/adam_moments.h"
#include "gossip/mesh/anchor.h"
#include "gossip/mesh/leg_coder.h"

namespace starling::gossip {
namespace {

// Which rounds do what: a function of their number, so that all nodes agree.
class Schedule {
 public:
  explicit Schedule(const ZeroOneAdamOptions& options) : options_(options) {}

  bool is_frozen(Round round) const { return round >= options_.freeze; }
  // Of the variance, those before the round.
  Round updates_before(Round round) const {
    Round updates = 0, next = 0;
    for (Round distance = 1; next < std::min(round, options_.freeze);) {
      next += distance;
      if (++updates % kScaler == 0) distance *= 2;
    }
    return updates;
  }
  bool learns(Round round) const {
    return !is_frozen(round) && updates_before(round + 1) > updates_before(round);
  }
  bool is_silent(Round round) const {
    if (!is_frozen(round)) return false;
    const Round since = round - options_.freeze;
    const Round doublings = std::min<Round>(since / std::max<Round>(options_.freeze, 1), 32);
    const Round distance = std::min(Round{1} << doublings, std::bit_floor(options_.period));
    return (since + 1) % distance != 0;
  }

 private:
  static constexpr Round kScaler = 16;  // κ of the paper
  ZeroOneAdamOptions options_;
};

struct State {
  State(std::span<float> x, const ZeroOneAdamOptions& options)
      : schedule(options), moments(x.size(), options.freeze), model(x), common(x.size()) {}

  const Schedule schedule;
  AdamMoments moments;
  const std::span<float> model;
  std::vector<float> common;  // a

  // √v̂ + ε of a shard, inverted; until the next call.
  std::span<const float> scales_of(const Shards& shards, std::size_t owner, Round round) {
    const std::span<float> scales = scales_.of(shards, owner);
    AdamMoments::fill_scales(shards.of(owner, std::span<const float>(moments.v)),
                             schedule.updates_before(round + 1), scales);
    return scales;
  }

 private:
  ShardBuffer scales_;
};

class ZeroOneAdamUp final : public SummedUp {
 public:
  ZeroOneAdamUp(LegInputs inputs, std::shared_ptr<State> state)
      : SummedUp(std::move(inputs), [state](Round round) { return state->schedule.learns(round); }),
        state_(std::move(state)),
        error_(shards_.floats()),
        momentum_(shards_.floats()) {}

  void adapt(const LocalStep& step) override {
    rate_ = step.learning_rate;
    const auto scale = static_cast<float>(rate_ > 0 ? 1 / rate_ : 0);
    if (!state_->schedule.is_frozen(step.round)) {
      for (std::size_t i = 0; i < momentum_.size(); ++i) momentum_[i] = scale * step.update[i];
      return;
    }
    if (!is_frozen_) {
      is_frozen_ = true;
      std::ranges::fill(error_, 0.0f);
      std::ranges::copy(state_->moments.m, momentum_.begin());
    }
    passed_ += rate_;
    constexpr float kBeta1 = AdamMoments::kBeta1;
    for (std::size_t owner = 0; owner < shards_.owners(); ++owner) {
      const std::span<const float> scales = state_->scales_of(shards_, owner, step.round);
      const std::size_t begin = shards_.begin(owner);
      const bool moves = knows_variance(owner);
      for (std::size_t i = 0; i < scales.size(); ++i) {
        const std::size_t at = begin + i;
        momentum_[at] = kBeta1 * momentum_[at] + (1 - kBeta1) * (scale * step.update[at]);
        if (moves) state_->model[at] -= static_cast<float>(rate_) * momentum_[at] * scales[i];
      }
    }
  }

  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    const std::span<float> error = shards_.of(owner, std::span(error_)),
                           x = shards_.of(owner, state_->model),
                           a = shards_.of(owner, std::span(state_->common)),
                           sent = shards_.of(owner, std::span(momentum_));
    if (coder_.is_dense(exchange)) return coder_.encode(exchange, owner, sent, room);
    if (!state_->schedule.is_frozen(exchange.round)) {
      for (std::size_t i = 0; i < error.size(); ++i) error[i] += sent[i];
      return coder_.encode(exchange, owner, error, room);
    }
    // Where the variance is not known the node has not moved: its momentum teaches it.
    const bool moved = knows_variance(owner);
    const std::span<const float> scales = state_->scales_of(shards_, owner, exchange.round);
    const auto passed = static_cast<float>(passed_);
    for (std::size_t i = 0; i < error.size(); ++i) {
      error[i] += moved ? (a[i] - x[i]) / scales[i] : passed * sent[i];
      x[i] = a[i];
    }
    return coder_.encode(exchange, owner, error, room);
  }
  void counted(Exchange exchange, std::size_t owner, std::span<const std::byte> piece,
               bool /*late*/) override {
    if (coder_.is_dense(exchange)) return;
    coder_.decode_add(exchange, piece, -1, shards_.of(owner, std::span(error_)));
  }
  void reduce(Exchange exchange, std::span<float> mean) override {
    SummedUp::reduce(exchange, mean);
    told_ = state_->schedule.is_frozen(exchange.round) ? passed_ : rate_;
    passed_ = 0;
  }
  double rate() const override { return told_; }

  // What all have learned to be the momentum of a shard.
  void follow(std::size_t owner, std::span<const float> m) {
    std::ranges::copy(m, shards_.of(owner, std::span(momentum_)).begin());
  }

  void archive(Archive& archive, std::span<const std::size_t> owners) override {
    archive.fixed("error", error_);
    archive.fixed("momentum", momentum_);
    archive.number("is_frozen", is_frozen_);
    archive.number("passed", passed_);
    SummedUp::archive(archive, owners);
  }

 private:
  bool knows_variance(std::size_t owner) const {
    return AdamMoments::is_known(shards_.of(owner, std::span<const float>(state_->moments.v)));
  }

  const std::shared_ptr<State> state_;
  std::vector<float> error_;     // e_i
  std::vector<float> momentum_;  // m_i; before the freeze the gradient of the round
  bool is_frozen_ = false;
  double rate_ = 1, passed_ = 0;  // of the newest step, and the sum since the last exchange
  double told_ = 1;
};

class ZeroOneAdamDown final : public CodedDown {
 public:
  ZeroOneAdamDown(LegInputs inputs, std::shared_ptr<State> state, ZeroOneAdamUp& up)
      : CodedDown(std::move(inputs), state->model,
                  [state](Round round) { return state->schedule.learns(round); }),
        state_(std::move(state)),
        up_(up),
        error_(shards_.size(self_)) {}

  std::vector<std::span<float>> common() override {
    return {state_->common, state_->moments.m, state_->moments.v};
  }
  void begin() override { std::ranges::copy(model_, state_->common.begin()); }
  void starts_anew(std::size_t owner, std::span<const float> start) override {
    move_anchor(shards_.of(owner, model_), shards_.of(owner, std::span(state_->common)), start);
  }

  Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double /*rate*/,
                           std::size_t room) override {
    // The variance learns from the mean itself, without what was held back.
    if (coder_.is_dense(exchange)) return coder_.encode(exchange, self_, mean, room);
    if (state_->schedule.is_frozen(exchange.round) && !is_frozen_) {
      is_frozen_ = true;
      std::ranges::fill(error_, 0.0f);
    }
    for (std::size_t i = 0; i < error_.size(); ++i) error_[i] += mean[i];
    return tell(exchange, error_, room);
  }

  void apply(Exchange exchange, std::size_t owner, std::span<const std::byte> message, float rate,
             bool /*late*/) override {
    const std::span<float> x = shards_.of(owner, model_),
                           a = shards_.of(owner, std::span(state_->common)),
                           m = shards_.of(owner, std::span(state_->moments.m)),
                           v = shards_.of(owner, std::span(state_->moments.v));
    const std::span<float> told = told_.of(shards_, owner);
    std::ranges::fill(told, 0.0f);
    coder_.decode_add(exchange, message, 1, told);
    const Round updates = state_->schedule.updates_before(exchange.round + 1);
    if (state_->schedule.is_frozen(exchange.round)) {
      const float part = rate > 0 ? 1 / rate : 0;
      for (std::size_t i = 0; i < m.size(); ++i) m[i] = part * told[i];
      AdamMoments::learn_from_momentum(v, m, updates);
      up_.follow(owner, m);
    } else {
      AdamMoments::take(m, v, told, state_->schedule.learns(exchange.round));
      AdamMoments::learn_from_momentum(v, m, updates);
      const auto step = static_cast<float>(rate / AdamMoments::filled(exchange.round + 1));
      for (std::size_t i = 0; i < m.size(); ++i) told[i] = step * m[i];
    }
    const std::span<const float> scales = state_->scales_of(shards_, owner, exchange.round);
    for (std::size_t i = 0; i < a.size(); ++i) told[i] = a[i] - told[i] * scales[i];
    move_anchor(x, a, told);
  }

  void rewired() override { std::ranges::fill(error_, 0.0f); }
  void archive(Archive& archive) override {
    archive.part("error", error_, shards_.floats());
    archive.fixed("common", state_->common);
    archive.fixed("m", state_->moments.m);
    archive.fixed("v", state_->moments.v);
    archive.number("is_frozen", is_frozen_);
    coder_.archive(archive);
  }

 private:
  const std::shared_ptr<State> state_;
  ZeroOneAdamUp& up_;
  std::vector<float> error_;  // e
  ShardBuffer told_;
  bool is_frozen_ = false;
};

}  // namespace

Legs make_zero_one_adam(LegInputs up, LegInputs down, std::span<float> model,
                        const ZeroOneAdamOptions& options) {
  const auto state = std::make_shared<State>(model, options);
  auto up_leg = std::make_unique<ZeroOneAdamUp>(std::move(up), state);
  auto down_leg = std::make_unique<ZeroOneAdamDown>(std::move(down), state, *up_leg);
  return {.up = std::move(up_leg), .down = std::move(down_leg), .is_silent = [state](Round round) {
            return state->schedule.is_silent(round);
          }};
}

}  // namespace starling::gossip
