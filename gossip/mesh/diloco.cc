#include "gossip/mesh/diloco.h"

#include <algorithm>

#include "gossip/delta.h"
#include "gossip/mesh/anchor.h"
#include "gossip/mesh/leg_coder.h"

namespace starling::gossip {
namespace {

// θ, and which part of it a round is about.
struct Anchor {
  Anchor(const DiLoCoOptions& o, std::span<float> x) : options(o), model(x), theta(x.size()) {}

  // Of what belongs to an owner's shard.
  std::span<float> fragment(std::span<float> shard, Exchange exchange) const {
    const Shards parts(shard.size(), options.fragments);
    return parts.of(exchange.round % options.fragments, shard);
  }
  std::size_t size(std::size_t floats, Exchange exchange) const {
    return Shards(floats, options.fragments).size(exchange.round % options.fragments);
  }

  const DiLoCoOptions options;
  const std::span<float> model;
  std::vector<float> theta;
};

class DiLoCoUp final : public SummedUp {
 public:
  DiLoCoUp(LegInputs inputs, std::shared_ptr<Anchor> anchor)
      : SummedUp(std::move(inputs)), anchor_(std::move(anchor)), error_(shards_.floats()) {}

  void adapt(const LocalStep& step) override { subtract(anchor_->model, step.update); }
  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    const std::span<const float> x = part(exchange, owner, anchor_->model),
                                 theta = part(exchange, owner, anchor_->theta),
                                 error = part(exchange, owner, error_);
    piece_.resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) piece_[i] = error[i] + (theta[i] - x[i]);
    return coder_.encode(exchange, owner, piece_, room);
  }
  Result<double> check(Exchange exchange, std::span<const std::byte> piece) const override {
    return coder_.check(exchange, piece, anchor_->size(shards_.size(self_), exchange));
  }
  void counted(Exchange exchange, std::size_t owner, std::span<const std::byte> piece,
               bool late) override {
    const std::span<float> error = part(exchange, owner, error_);
    // x and θ of the encode are those of now unless rounds have passed.
    if (!late) {
      const auto blend = static_cast<float>(anchor_->options.blend);
      const std::span<float> x = part(exchange, owner, anchor_->model);
      const std::span<const float> theta = part(exchange, owner, anchor_->theta);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const float delta = theta[i] - x[i];
        error[i] += delta;
        x[i] = theta[i] - blend * delta;
      }
    }
    coder_.decode_add(exchange, piece, -1, error);
  }
  void take(Exchange exchange, std::size_t /*from*/, std::span<const std::byte> piece,
            bool /*late*/) override {
    coder_.decode_add(exchange, piece, 1, anchor_->fragment(std::span(sum_), exchange));
  }
  // What came late of other fragments waits for their rounds.
  void reduce(Exchange exchange, std::span<float> mean) override {
    take_mean(anchor_->fragment(std::span(sum_), exchange), shards_.owners(), mean);
  }
  void archive(Archive& archive, std::span<const std::size_t> owners) override {
    archive.fixed("error", error_);
    SummedUp::archive(archive, owners);
  }

 private:
  std::span<float> part(Exchange exchange, std::size_t owner, std::span<float> whole) const {
    return anchor_->fragment(shards_.of(owner, whole), exchange);
  }

  const std::shared_ptr<Anchor> anchor_;
  std::vector<float> error_;  // e_i
  std::vector<float> piece_;
};

class DiLoCoDown final : public CodedDown {
 public:
  DiLoCoDown(LegInputs inputs, std::shared_ptr<Anchor> anchor)
      : CodedDown(std::move(inputs), anchor->model),
        anchor_(std::move(anchor)),
        momentum_(shards_.size(self_)),
        error_(shards_.size(self_)) {}

  std::vector<std::span<float>> common() override { return {anchor_->theta}; }
  void begin() override { std::ranges::copy(model_, anchor_->theta.begin()); }
  void starts_anew(std::size_t owner, std::span<const float> start) override {
    move_anchor(shards_.of(owner, model_), shards_.of(owner, std::span(anchor_->theta)), start);
  }

  Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double /*rate*/,
                           std::size_t room) override {
    const auto rate = static_cast<float>(anchor_->options.rate),
               momentum = static_cast<float>(anchor_->options.momentum);
    const std::span<float> m = anchor_->fragment(std::span(momentum_), exchange),
                           error = anchor_->fragment(std::span(error_), exchange);
    for (std::size_t i = 0; i < m.size(); ++i) {
      m[i] = momentum * m[i] + mean[i];
      error[i] += rate * (mean[i] + momentum * m[i]);
    }
    return tell(exchange, error, room);
  }
  Result<double> check(Exchange exchange, std::size_t owner,
                       std::span<const std::byte> message) const override {
    return coder_.check(exchange, message, anchor_->size(shards_.size(owner), exchange));
  }
  void apply(Exchange exchange, std::size_t owner, std::span<const std::byte> message,
             float /*rate*/, bool /*late*/) override {
    const std::span<float> x = anchor_->fragment(shards_.of(owner, model_), exchange),
                           theta = anchor_->fragment(shards_.of(owner, std::span(anchor_->theta)),
                                                     exchange);
    moved_.assign(theta.begin(), theta.end());
    coder_.decode_add(exchange, message, -1, moved_);
    // What of x is blended in goes a part of the way.
    const auto blend = static_cast<float>(anchor_->options.blend);
    if (blend > 0) {
      for (std::size_t i = 0; i < x.size(); ++i) x[i] -= blend * (moved_[i] - theta[i]);
    }
    move_anchor(x, theta, moved_);
  }

  void rewired() override {
    std::ranges::fill(momentum_, 0.0f);
    std::ranges::fill(error_, 0.0f);
  }
  void archive(Archive& archive) override {
    archive.fixed("theta", anchor_->theta);
    archive.part("momentum", momentum_, shards_.floats());
    archive.part("error", error_, shards_.floats());
    coder_.archive(archive);
  }

 private:
  const std::shared_ptr<Anchor> anchor_;
  std::vector<float> momentum_, error_;  // M, e
  std::vector<float> moved_;
};

}  // namespace

Legs make_diloco(LegInputs up, LegInputs down, std::span<float> model,
                 const DiLoCoOptions& options) {
  const auto anchor = std::make_shared<Anchor>(options, model);
  return {.up = std::make_unique<DiLoCoUp>(std::move(up), anchor),
          .down = std::make_unique<DiLoCoDown>(std::move(down), anchor)};
}

}  // namespace starling::gossip
