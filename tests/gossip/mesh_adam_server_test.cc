// Mesh against server, of the methods whose rounds are not all alike (mesh-algorithms.md §4.3, §5).
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "gossip/mesh/adam_moments.h"
#include "tests/gossip/least_squares.h"
#include "tests/gossip/server_coding.h"

using namespace starling;
using namespace starling::gossip;
using namespace starling::test;

namespace {

// 0/1 Adam with a server, at a rate of 1.
class ZeroOneServer {
 public:
  ZeroOneServer(Round freeze, Round period, const MakeCompressor& make)
      : freeze_(freeze), period_(period), coder_(make()) {
    Round at = 0, distance = 1, count = 0;
    for (; at < freeze; at += distance, distance *= ++count % 16 == 0 ? 2 : 1) learned_.insert(at);
  }

  void round(const UpdateOf& update_of) {
    const bool frozen = round_ >= freeze_, exact = learned_.contains(round_);
    Vector mean(kSize, 0.0f);
    if (round_ == freeze_) {
      for (std::size_t i = 0; i < kNodes; ++i) {
        std::ranges::fill(e_[i], 0.0f);
        own_m_[i] = m_;
      }
      std::ranges::fill(error_, 0.0f);
    }
    const Vector scale = scales();
    passed_ += 1;
    for (std::size_t i = 0; i < kNodes; ++i) {
      Vector g(kSize);
      update_of(i, x[i], g);
      if (frozen) {
        for (std::size_t k = 0; k < kSize; ++k) {
          own_m_[i][k] = 0.9f * own_m_[i][k] + (1 - 0.9f) * g[k];
          x[i][k] -= own_m_[i][k] * scale[k];
          g[k] = (a_[k] - x[i][k]) / scale[k];
        }
        if (is_silent()) continue;
        x[i] = a_;
      }
      const Vector q = exact ? g : coder_.feed_back(e_[i], g, static_cast<int>(i), round_);
      for (std::size_t k = 0; k < kSize; ++k) mean[k] += q[k];
    }
    if (!is_silent()) {
      for (float& value : mean) value /= static_cast<float>(kNodes);
      tell(mean, frozen, exact);
    }
    ++round_;
  }

  std::vector<Vector> x{kNodes, Vector(kSize, 0.0f)};

 private:
  bool is_silent() const {
    if (round_ < freeze_) return false;
    Round distance = 1;
    for (Round since = round_ - freeze_; since >= freeze_ && distance < period_; since -= freeze_) {
      distance *= 2;
    }
    return (round_ - freeze_ + 1) % distance != 0;
  }

  Vector scales() {
    const auto updates =
        static_cast<Round>(std::ranges::count_if(learned_, [&](Round at) { return at <= round_; }));
    Vector out(kSize);
    for (std::size_t p = 0; p < kNodes; ++p) {
      AdamMoments::fill_scales(shard(v_, p), updates, shard(out, p));
    }
    return out;
  }

  void tell(const Vector& mean, bool frozen, bool exact) {
    const Vector q = exact ? mean : coder_.feed_back(error_, mean, -1, round_);
    Vector step = q;
    if (frozen) {
      for (std::size_t k = 0; k < kSize; ++k) m_[k] = 1 / static_cast<float>(passed_) * q[k];
      std::ranges::fill(own_m_, m_);
    } else {
      const double begun = 1 - std::pow(double{0.9f}, static_cast<double>(round_ + 1));
      for (std::size_t k = 0; k < kSize; ++k) {
        m_[k] = 0.9f * m_[k] + (1 - 0.9f) * q[k];
        if (exact) v_[k] = 0.999f * v_[k] + (1 - 0.999f) * q[k] * q[k];
        step[k] = static_cast<float>(1 / begun) * m_[k];
      }
    }
    const Vector scale = scales();
    for (std::size_t k = 0; k < kSize; ++k) a_[k] -= step[k] * scale[k];
    std::ranges::fill(x, a_);
    passed_ = 0;
  }

  const Round freeze_, period_;
  ShardCoder coder_;
  std::set<Round> learned_;  // rounds with exact gradients
  Round round_ = 0;
  double passed_ = 0;
  Vector a_ = x[0], m_ = a_, v_ = a_, error_ = a_;
  std::vector<Vector> e_ = x, own_m_ = x;
};

// SketchedAMSGrad with a server, at a rate of 1 that stays.
class SketchServer {
 public:
  SketchServer(std::size_t rows, std::size_t width, std::size_t keep)
      : sketch_({.rows = rows, .width = width}), keep_(keep) {}

  void round(const UpdateOf& update_of) {
    for (std::size_t i = 0; i < kNodes; ++i) {
      Vector g(kSize);
      update_of(i, x, g);
      for (std::size_t k = 0; k < kSize; ++k) {
        m_[i][k] = 0.9f * m_[i][k] + (1 - 0.9f) * g[k];
        w_[i][k] = m_[i][k] + w_[i][k];
      }
    }
    for (std::size_t p = 0; p < kNodes; ++p) step(p);
    ++round_;
  }

  Vector x = Vector(kSize, 0.0f);

 private:
  std::vector<std::byte> sketch_of(std::span<const float> part) {
    std::vector<std::byte> bytes(sketch_.encoded_bytes_max(part.size()));
    REQUIRE(sketch_.encode(part, 0, bytes).ok());
    return bytes;
  }

  void step(std::size_t p) {
    const std::span<float> part = shard(x, p), v = shard(v_, p), most = shard(most_, p);
    const std::size_t d = part.size();
    sketch_.set_seed(Random(kSeed, Stream::compression, {round_, p}).bits(0));
    std::vector<std::byte> sum = sketch_of(Vector(d, 0.0f));
    for (std::size_t i = 0; i < kNodes; ++i) {
      REQUIRE(sketch_.merge(sketch_of(shard(w_[i], p)), d, sum).ok());
    }
    Vector estimate(d, 0.0f), h(d, 0.0f);
    REQUIRE(sketch_.decode_add(sum, 1.0f / kNodes, estimate).ok());
    std::set<std::size_t> places;
    for (std::size_t t = 0; t < keep_ / 4; ++t) places.insert((round_ * (keep_ / 4) + t) % d);
    std::vector<std::size_t> order(d);
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::stable_sort(order, std::ranges::greater(), [&](std::size_t k) {
      return std::abs(estimate[k]) / std::sqrt(most[k]);
    });
    for (const std::size_t k : order) {
      if (places.size() < keep_) places.insert(k);
    }
    for (const std::size_t k : places) {
      float values = 0;
      for (std::size_t i = 0; i < kNodes; ++i) {
        values += shard(w_[i], p)[k];
        shard(w_[i], p)[k] = 0;
      }
      h[k] = 1.0f / kNodes * values;
    }
    for (std::size_t k = 0; k < d; ++k) {
      v[k] = 0.99f * v[k] + (1 - 0.99f) * h[k] * h[k];
      most[k] = std::max(most[k], v[k]);
      if (places.contains(k)) part[k] -= h[k] / std::sqrt(most[k]);
    }
  }

  compress::CountSketch sketch_;
  const std::size_t keep_;
  Round round_ = 0;
  std::vector<Vector> m_{kNodes, x}, w_{kNodes, x};
  Vector v_ = Vector(kSize, 1e-8f), most_ = v_;
};

}  // namespace

TEST_CASE("mesh: 500 rounds of 0/1 Adam are those of the server, to the bit") {
  const LeastSquares problem;
  for (const MakeCompressor& make : {kSign, kTopOne}) {
    GossipOptions options = options_of(AlgorithmKind::zero_one_adam);
    options.freeze = 60;
    options.period = 4;
    Lockstep flock = mesh(options, make);
    ZeroOneServer server(options.freeze, options.period, make);
    flock.run(500, problem.step(1.0f / 512));
    for (int round = 0; round < 500; ++round) server.round(problem.step(1.0f / 512));
    for (std::size_t i = 0; i < kNodes; ++i) {
      REQUIRE(std::ranges::equal(flock.model(i), server.x[i]));
    }
  }
}

TEST_CASE("mesh: 500 rounds of SketchedAMSGrad are those of the server, to the bit") {
  const LeastSquares problem;
  Lockstep flock = mesh(options_of(AlgorithmKind::sketched_amsgrad), [] {
    return std::make_unique<compress::CountSketch>(
        compress::CountSketchOptions{.rows = 1, .width = 16, .keep = 4});
  });
  SketchServer server(1, 16, 4);
  flock.run(500, problem.step(1.0f / 512));
  for (int round = 0; round < 500; ++round) server.round(problem.step(1.0f / 512));
  for (std::size_t i = 0; i < kNodes; ++i) REQUIRE(std::ranges::equal(flock.model(i), server.x));
}
