#include "gossip/mesh/birder.h"

#include <fmt/format.h>

#include <cmath>

#include "gossip/mesh/leg_coder.h"

namespace starling::gossip {
namespace {

// The sign of what comes out is Q(u): P(u + ξ >= 0) = (1 + u) / 2 for ξ uniform in [-1, 1).
void dither(std::span<float> u, const Random& random) {
  for (std::size_t i = 0; i < u.size(); ++i) {
    u[i] += static_cast<float>(2 * random.uniform(i) - 1);
  }
}

Result<double> expect_unit(Result<double> norm, std::size_t floats) {
  const double expected = std::sqrt(static_cast<double>(floats));
  if (!norm || std::abs(*norm - expected) < 1e-3 * expected + 1e-9) return norm;
  return Error{
      ErrorCode::peer,
      fmt::format("{} coordinates of norm {}, expected each to be +1 or -1", floats, *norm)};
}

class BirderUp final : public SummedUp {
 public:
  explicit BirderUp(LegInputs inputs)
      : SummedUp(std::move(inputs)), mean_(shards_.floats()), size_(shards_.floats()) {}

  void adapt(const LocalStep& step) override {
    constexpr float kBeta = 0.95f;
    rate_ = step.learning_rate;
    const auto scale = static_cast<float>(rate_ > 0 ? 1 / rate_ : 0);
    for (std::size_t i = 0; i < mean_.size(); ++i) {
      const float g = scale * step.update[i];
      mean_[i] = kBeta * mean_[i] + (1 - kBeta) * g;
      size_[i] = kBeta * size_[i] + (1 - kBeta) * std::abs(g);
    }
  }
  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    const std::size_t begin = shards_.begin(owner);
    const std::span<float> piece = piece_.of(shards_, owner);
    for (std::size_t i = 0; i < piece.size(); ++i) {
      const float size = size_[begin + i];
      piece[i] = size > 0 ? mean_[begin + i] / size : 0;
    }
    dither(piece, coder_.random(exchange, owner));
    return coder_.encode(exchange, owner, piece, room);
  }
  Result<double> check(Exchange exchange, std::span<const std::byte> piece) const override {
    return expect_unit(SummedUp::check(exchange, piece), shards_.size(self_));
  }
  void counted(Exchange, std::size_t, std::span<const std::byte>, bool) override {}
  void take(Exchange exchange, std::size_t from, std::span<const std::byte> piece,
            bool late) override {
    if (late) return;  // signs of another round are nothing that would be missing
    SummedUp::take(exchange, from, piece, late);
    ++pieces_;
  }
  void reduce(Exchange /*exchange*/, std::span<float> mean) override {
    take_mean(sum_, std::exchange(pieces_, 0), mean);
  }
  double rate() const override { return rate_; }
  void archive(Archive& archive, std::span<const std::size_t> /*owners*/) override {
    archive.fixed("m", mean_);
    archive.fixed("b", size_);
  }

 private:
  std::vector<float> mean_, size_;  // m, b
  ShardBuffer piece_;
  std::size_t pieces_ = 0;
  double rate_ = 1;
};

class BirderDown final : public CodedDown {
 public:
  using CodedDown::CodedDown;

  std::vector<std::span<float>> common() override { return {model_}; }

  Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double /*rate*/,
                           std::size_t room) override {
    told_.assign(mean.begin(), mean.end());
    dither(told_, coder_.random(exchange, self_));
    return coder_.encode(exchange, self_, told_, room);
  }
  Result<double> check(Exchange exchange, std::size_t owner,
                       std::span<const std::byte> message) const override {
    return expect_unit(CodedDown::check(exchange, owner, message), shards_.size(owner));
  }
  void apply(Exchange exchange, std::size_t owner, std::span<const std::byte> message, float rate,
             bool /*late*/) override {
    coder_.decode_add(exchange, message, -rate, shards_.of(owner, model_));
  }
  void archive(Archive& /*archive*/) override {}

 private:
  std::vector<float> told_;
};

}  // namespace

Legs make_birder(LegInputs up, LegInputs down, std::span<float> model) {
  return {.up = std::make_unique<BirderUp>(std::move(up)),
          .down = std::make_unique<BirderDown>(std::move(down), model)};
}

}  // namespace starling::gossip
