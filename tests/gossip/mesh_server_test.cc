// Mesh against server: specification mesh-algorithms.md §0.2.
#include <doctest/doctest.h>

#include "compress/one_bit.h"
#include "compress/quantize.h"
#include "compress/repeated.h"
#include "gossip/mesh/adam_moments.h"
#include "tests/gossip/least_squares.h"
#include "tests/gossip/server_coding.h"

using namespace starling;
using namespace starling::gossip;
using namespace starling::test;

namespace {

// The published form: workers, and a server that holds everything, with C taken shard by shard.
// Written from the specification's listings.
class Server {
 public:
  Server(const GossipOptions& options, const MakeCompressor& make)
      : o_(options), coder_(operator_of(options, make)) {}

  void round(const UpdateOf& update_of) {
    const bool local = o_.algorithm == AlgorithmKind::liec_sgd;
    Vector mean(kSize, 0.0f);
    std::fill(beside_.begin(), beside_.end(), 0.0f);
    std::vector<Vector> pieces;
    for (std::size_t i = 0; i < kNodes; ++i) {
      Vector g(kSize);
      update_of(i, local ? models[i] : x, g);
      pieces.push_back(worker(i, g));
    }
    for (std::size_t i = 0; i < kNodes; ++i) {
      for (std::size_t k = 0; k < kSize; ++k) mean[k] += has_shifts() ? h_[i][k] : pieces[i][k];
    }
    for (std::size_t k = 0; k < kSize; ++k) {
      mean[k] = (mean[k] + beside_[k]) / static_cast<float>(kNodes);
    }
    back(mean);
    ++round_;
  }

  Vector x = Vector(kSize, 0.0f);
  std::vector<Vector> models{kNodes, x};  // of those that have one each

 private:
  using enum AlgorithmKind;

  static std::unique_ptr<compress::Compressor> operator_of(const GossipOptions& options,
                                                           const MakeCompressor& make) {
    if (options.algorithm != neolithic) return make();
    return std::make_unique<compress::Repeated>(make(), options.repeats);
  }

  bool has_shifts() const {
    switch (o_.algorithm) {
      case ef21:
      case ef21_bc:
      case ef21_sgdm:
      case econtrol:
      case cd_adam:
      case diana:
      case dore: return true;
      default: return false;
    }
  }
  bool averages() const { return (round_ + 1) % o_.period == 0; }

  Vector compressed(const Vector& u, int node) { return coder_.compressed(u, node, round_); }

  // ±1 of every coordinate, with these for mean.
  Vector signs(Vector u, int node) {
    for (std::size_t p = 0; p < kNodes; ++p) {
      const std::uint64_t from = node < 0 ? p : static_cast<std::uint64_t>(node);
      const Random random(kSeed, Stream::compression, {from, round_, node < 0 ? 1u : 0u, p});
      const std::span<float> part = shard(u, p);
      for (std::size_t k = 0; k < part.size(); ++k) {
        part[k] = part[k] + static_cast<float>(2 * random.uniform(k) - 1) < 0 ? -1.0f : 1.0f;
      }
    }
    return u;
  }

  Vector feed_back(Vector& e, const Vector& u, int node) {
    return coder_.feed_back(e, u, node, round_);
  }

  // What it sends, decoded.
  Vector worker(std::size_t i, const Vector& g) {
    const int node = static_cast<int>(i);
    switch (o_.algorithm) {
      case ef_sgd:
      case doublesqueeze:
      case neolithic: return feed_back(e_[i], g, node);
      case dcsgd: return compressed(g, node);
      case liec_sgd: {
        for (std::size_t k = 0; k < kSize; ++k) models[i][k] -= g[k];
        if (averages()) return models[i];
        const Vector q = compressed(g, node);
        for (std::size_t k = 0; k < kSize; ++k) models[i][k] += q[k];
        return q;
      }
      case one_bit_adam: {
        if (round_ < o_.freeze) return g;
        Vector u(kSize);
        for (std::size_t k = 0; k < kSize; ++k) u[k] = 0.9f * m_[k] + (1 - 0.9f) * g[k];
        return feed_back(e_[i], u, node);
      }
      case birder: {
        Vector u(kSize);
        for (std::size_t k = 0; k < kSize; ++k) {
          h_[i][k] = 0.95f * h_[i][k] + (1 - 0.95f) * g[k];
          v_[i][k] = 0.95f * v_[i][k] + (1 - 0.95f) * std::abs(g[k]);
          u[k] = v_[i][k] > 0 ? h_[i][k] / v_[i][k] : 0;
        }
        return signs(u, node);
      }
      case diloco: {
        Vector delta(kSize);
        for (std::size_t k = 0; k < kSize; ++k) delta[k] = x[k] - (x[k] - g[k]);
        return feed_back(e_[i], delta, node);
      }
      default: return shifted(i, g);
    }
  }

  Vector shifted(std::size_t i, const Vector& g) {
    Vector u(kSize), sent = g;
    if (o_.algorithm == ef21_sgdm) {
      const auto eta = static_cast<float>(o_.eta.value());
      for (std::size_t k = 0; k < kSize; ++k) {
        v_[i][k] = round_ == 0 ? g[k] : (1 - eta) * v_[i][k] + eta * g[k];
      }
      sent = v_[i];
    }
    const bool feeds_back = o_.algorithm == econtrol;
    const auto eta = static_cast<float>(o_.eta.value_or(0)),
               alpha = static_cast<float>(o_.alpha.value_or(1));
    for (std::size_t k = 0; k < kSize; ++k) {
      u[k] = sent[k] - h_[i][k] + (feeds_back ? eta * e_[i][k] : 0);
    }
    const Vector q = compressed(u, static_cast<int>(i));
    for (std::size_t k = 0; k < kSize; ++k) {
      if (feeds_back) e_[i][k] = (e_[i][k] + (sent[k] - h_[i][k])) + -1.0f * q[k];
      h_[i][k] += alpha * q[k];
      if (alpha < 1) beside_[k] += (1 - alpha) * q[k];
    }
    return q;
  }

  void back(const Vector& mean) {
    switch (o_.algorithm) {
      case ef_sgd:
      case ef21:
      case diana:
      case dcsgd:
        for (std::size_t k = 0; k < kSize; ++k) x[k] += -1.0f * mean[k];
        return;
      case ef21_bc:
      case cd_adam: {
        Vector apart(kSize);
        for (std::size_t k = 0; k < kSize; ++k) apart[k] = mean[k] - s_[k];
        const Vector q = compressed(apart, -1);
        for (std::size_t k = 0; k < kSize; ++k) {
          s_[k] += q[k];
          x[k] -= o_.algorithm == ef21_bc ? s_[k] : ams_grad(k);
        }
        return;
      }
      case dore: {
        const auto eta = static_cast<float>(o_.eta.value()),
                   beta = static_cast<float>(o_.beta.value());
        for (std::size_t k = 0; k < kSize; ++k) s_[k] = eta * s_[k] + mean[k];
        const Vector q = compressed(s_, -1);
        for (std::size_t k = 0; k < kSize; ++k) {
          s_[k] += -1.0f * q[k];
          x[k] += -beta * q[k];
        }
        return;
      }
      case liec_sgd: return average_or_tell(mean);
      case one_bit_adam: return adam(mean);
      case birder: {
        const Vector q = signs(mean, -1);
        for (std::size_t k = 0; k < kSize; ++k) x[k] += -1.0f * q[k];
        return;
      }
      case diloco: {
        Vector step(kSize);
        const auto rate = static_cast<float>(o_.outer_rate),
                   momentum = static_cast<float>(o_.outer_momentum);
        for (std::size_t k = 0; k < kSize; ++k) {
          m_[k] = momentum * m_[k] + mean[k];
          step[k] = rate * (mean[k] + momentum * m_[k]);
        }
        const Vector q = feed_back(s_, step, -1);
        for (std::size_t k = 0; k < kSize; ++k) x[k] += -1.0f * q[k];
        return;
      }
      default: {
        const Vector q = feed_back(s_, mean, -1);
        for (std::size_t k = 0; k < kSize; ++k) x[k] += -1.0f * q[k];
      }
    }
  }

  void average_or_tell(const Vector& mean) {
    if (averages()) {
      for (std::size_t k = 0; k < kSize; ++k) x[k] = -1.0f * s_[k] + mean[k];
      std::ranges::fill(s_, 0.0f);
      for (Vector& model : models) model = x;
      return;
    }
    const Vector q = feed_back(s_, mean, -1);
    for (Vector& model : models) {
      for (std::size_t k = 0; k < kSize; ++k) model[k] += -1.0f * q[k];
    }
  }

  void adam(const Vector& mean) {
    Round updates = o_.freeze;
    double begun = 1;
    if (round_ < o_.freeze) {
      updates = round_ + 1;
      begun -= std::pow(double{0.9f}, static_cast<double>(updates));
      for (std::size_t k = 0; k < kSize; ++k) {
        m_[k] = 0.9f * m_[k] + (1 - 0.9f) * mean[k];
        largest_[k] = 0.999f * largest_[k] + (1 - 0.999f) * mean[k] * mean[k];
      }
    } else {
      m_ = feed_back(s_, mean, -1);
    }
    for (std::size_t p = 0; p < kNodes; ++p) {
      const std::span<float> part = shard(x, p), m = shard(m_, p);
      Vector scales(part.size());
      AdamMoments::fill_scales(shard(largest_, p), updates, scales);
      const auto step = static_cast<float>(1 / begun);
      for (std::size_t k = 0; k < part.size(); ++k) part[k] -= step * m[k] * scales[k];
    }
  }

  float ams_grad(std::size_t k) {
    m_[k] = 0.9f * m_[k] + (1 - 0.9f) * s_[k];
    square_[k] = 0.99f * square_[k] + (1 - 0.99f) * s_[k] * s_[k];
    largest_[k] = std::max(largest_[k], square_[k]);
    return m_[k] / std::sqrt(largest_[k] + 1e-8f);
  }

  const GossipOptions o_;
  ShardCoder coder_;
  Round round_ = 0;
  std::vector<Vector> h_{kNodes, x}, e_{kNodes, x}, v_{kNodes, x};
  Vector s_ = x, m_ = x, square_ = x, largest_ = x;  // S or the server's error, and moments
  Vector beside_ = x;                                // (1 - α) Σ C of the round
};

const MakeCompressor kTwoBits = [] {
  return std::make_unique<compress::Quantize>(compress::QuantizeParams{.bits = 2});
};
// Birder has its own.
const MakeCompressor kUnused = kIdentity;

}  // namespace

TEST_CASE(
    "mesh: 500 rounds are those of the server with the compressor shard by shard, to the bit") {
  using enum AlgorithmKind;
  const LeastSquares problem;
  struct Case {
    AlgorithmKind kind;
    std::vector<MakeCompressor> operators;
    float rate = 1.0f / 16;
  };
  const std::vector<MakeCompressor> contractive = {kSign, kTopOne};
  for (const auto& [kind, operators, rate] :
       std::vector<Case>{{ef_sgd, contractive},
                         {doublesqueeze, contractive},
                         {neolithic, contractive},
                         {ef21, contractive},
                         {ef21_bc, contractive},
                         {ef21_sgdm, contractive},
                         {econtrol, contractive},
                         {liec_sgd, contractive},
                         {diloco, contractive, 1.0f / 64},
                         {cd_adam, contractive, 1.0f / 512},
                         {one_bit_adam, contractive, 1.0f / 512},
                         {diana, {kTwoBits}},
                         {dore, {kTwoBits}},
                         {dcsgd, {kTwoBits}},
                         {birder, {kUnused}, 1.0f / 512}}) {
    CAPTURE(std::string(name_of(kind)));
    for (const MakeCompressor& make : operators) {
      GossipOptions options = options_of(kind);
      options.eta = kind == dore ? 0 : 0.0625;
      if (kind == diana || kind == dore) options.alpha = options.beta = 0.5;
      options.freeze = 100;
      Lockstep flock = mesh(options, kind == birder ? kNone : make);
      Server server(options, make);
      flock.run(500, problem.step(rate));
      for (int round = 0; round < 500; ++round) server.round(problem.step(rate));
      for (std::size_t i = 0; i < kNodes; ++i) {
        const Vector& expected = kind == liec_sgd ? server.models[i] : server.x;
        REQUIRE(std::ranges::equal(flock.model(i), expected));
      }
    }
  }
}
