// Mesh against server: specification mesh-algorithms.md §0.2, §7, §14.
#include <doctest/doctest.h>

#include <cstring>
#include <map>

#include "compress/quantize.h"
#include "compress/top_k.h"
#include "gossip/algorithms.h"
#include "tests/gossip/problems.h"
#include "tests/support/memory_state.h"

using namespace starling;
using namespace starling::gossip;
using namespace starling::test;

namespace {

constexpr std::size_t kNodes = 8, kSize = 84;  // shards of 10 and 11

using Vector = std::vector<float>;

// Heterogeneous least squares (§14): ∇f_i(x) = a_i ⊙ (x - c_i), curvatures from 0.05 to 1.
struct LeastSquares {
  std::vector<Vector> curvature, center;
  std::vector<double> optimum;

  LeastSquares() : optimum(kSize) {
    std::vector<double> above(kSize), below(kSize);
    for (std::size_t i = 0; i < kNodes; ++i) {
      Vector a(kSize), c(kSize);
      Random(41, Stream::test, {i}).fill_normal(c);
      for (std::size_t k = 0; k < kSize; ++k) {
        a[k] = static_cast<float>(0.05 + 0.95 * Random(42, Stream::test, {i}).uniform(k));
        above[k] += double{a[k]} * c[k];
        below[k] += a[k];
      }
      curvature.push_back(a);
      center.push_back(c);
    }
    for (std::size_t k = 0; k < kSize; ++k) optimum[k] = above[k] / below[k];
  }

  UpdateOf step(float rate) const {
    return [this, rate](std::size_t i, std::span<const float> x, std::span<float> update) {
      for (std::size_t k = 0; k < kSize; ++k)
        update[k] = rate * curvature[i][k] * (x[k] - center[i][k]);
    };
  }
  double error(std::span<const float> x) const {
    double sum = 0, norm = 0;
    for (std::size_t k = 0; k < kSize; ++k) {
      sum += (x[k] - optimum[k]) * (x[k] - optimum[k]);
      norm += optimum[k] * optimum[k];
    }
    return std::sqrt(sum / norm);
  }
};

const MakeCompressor kTopTenth = [] { return std::make_unique<compress::TopK>(0.1); };

Lockstep mesh(AlgorithmKind kind, const MakeCompressor& make,
              std::optional<double> eta = std::nullopt) {
  GossipOptions options = options_of(kind);
  options.eta = eta;
  return {options, complete(kNodes), vector_of(kSize), std::vector(kNodes, Vector(kSize, 0.0f)), 7,
          make};
}

// The published form: workers, and a server that holds everything, with C taken shard by shard.
// Written from the specification's listings, for the deterministic operators that need no key.
class Server {
 public:
  Server(AlgorithmKind kind, const MakeCompressor& make, double eta)
      : kind_(kind), c_(make()), eta_(static_cast<float>(eta)) {}

  void round(const UpdateOf& update_of) {
    std::vector<Vector> pieces;
    for (std::size_t i = 0; i < kNodes; ++i) {
      Vector g(kSize);
      update_of(i, x, g);
      pieces.push_back(worker(i, g));
    }
    Vector mean(kSize, 0.0f);
    const bool shifts = kind_ != AlgorithmKind::ef_sgd && kind_ != AlgorithmKind::doublesqueeze;
    for (std::size_t i = 0; i < kNodes; ++i) {
      for (std::size_t k = 0; k < kSize; ++k) mean[k] += shifts ? h[i][k] : pieces[i][k];
    }
    for (float& m : mean) m /= static_cast<float>(kNodes);
    back(mean);
  }

  Vector x = Vector(kSize, 0.0f);
  std::vector<Vector> h{kNodes, Vector(kSize, 0.0f)}, e{kNodes, Vector(kSize, 0.0f)}, v{};

 private:
  // C of every shard, decoded.
  Vector compressed(const Vector& u) {
    Vector out(kSize, 0.0f);
    std::vector<std::byte> bytes(c_->encoded_bytes_max(kSize));
    for (std::size_t p = 0; p < kNodes; ++p) {
      const std::size_t begin = kSize * p / kNodes, end = kSize * (p + 1) / kNodes;
      const auto used = c_->encode(std::span(u).subspan(begin, end - begin), 1, bytes);
      REQUIRE(used.ok());
      REQUIRE(c_->decode_add(std::span(bytes).first(*used), 1,
                             std::span(out).subspan(begin, end - begin))
                  .ok());
    }
    return out;
  }

  // What it sends, decoded.
  Vector worker(std::size_t i, const Vector& g) {
    Vector u(kSize);
    if (kind_ == AlgorithmKind::ef_sgd || kind_ == AlgorithmKind::doublesqueeze) {
      for (std::size_t k = 0; k < kSize; ++k) u[k] = e[i][k] + g[k];
      const Vector q = compressed(u);
      for (std::size_t k = 0; k < kSize; ++k) e[i][k] = u[k] + -1.0f * q[k];
      return q;
    }
    Vector sent = g;
    if (kind_ == AlgorithmKind::ef21_sgdm) {
      if (v.size() <= i) {
        v.push_back(g);
      } else {
        for (std::size_t k = 0; k < kSize; ++k) v[i][k] = (1 - eta_) * v[i][k] + eta_ * g[k];
      }
      sent = v[i];
    }
    const bool feeds_back = kind_ == AlgorithmKind::econtrol;
    for (std::size_t k = 0; k < kSize; ++k) {
      u[k] = sent[k] - h[i][k] + (feeds_back ? eta_ * e[i][k] : 0);
    }
    const Vector q = compressed(u);
    for (std::size_t k = 0; k < kSize; ++k) {
      if (feeds_back) e[i][k] = (e[i][k] + (sent[k] - h[i][k])) + -1.0f * q[k];
      h[i][k] += q[k];
    }
    return q;
  }

  void back(const Vector& mean) {
    switch (kind_) {
      case AlgorithmKind::ef_sgd:
      case AlgorithmKind::ef21:
        for (std::size_t k = 0; k < kSize; ++k) x[k] += -1.0f * mean[k];
        return;
      case AlgorithmKind::ef21_bc:
      case AlgorithmKind::cd_adam: {
        Vector apart(kSize);
        for (std::size_t k = 0; k < kSize; ++k) apart[k] = mean[k] - s_[k];
        const Vector q = compressed(apart);
        for (std::size_t k = 0; k < kSize; ++k) {
          s_[k] += q[k];
          x[k] -= kind_ == AlgorithmKind::ef21_bc ? s_[k] : ams_grad(k);
        }
        return;
      }
      default: {
        for (std::size_t k = 0; k < kSize; ++k) es_[k] += mean[k];
        const Vector q = compressed(es_);
        for (std::size_t k = 0; k < kSize; ++k) {
          es_[k] += -1.0f * q[k];
          x[k] += -1.0f * q[k];
        }
      }
    }
  }

  float ams_grad(std::size_t k) {
    m_[k] = 0.9f * m_[k] + (1 - 0.9f) * s_[k];
    v2_[k] = 0.99f * v2_[k] + (1 - 0.99f) * s_[k] * s_[k];
    largest_[k] = std::max(largest_[k], v2_[k]);
    return m_[k] / std::sqrt(largest_[k] + 1e-8f);
  }

  const AlgorithmKind kind_;
  const std::unique_ptr<compress::Compressor> c_;
  const float eta_;
  Vector s_ = Vector(kSize, 0.0f), es_ = s_, m_ = s_, v2_ = s_, largest_ = s_;
};

// Named vectors of one node, as it would save them.
Vector saved_floats(Lockstep& flock, std::size_t node, const std::string& name) {
  const MemoryState state = saved(flock.algorithm(node));
  const auto at = state.blobs.find(name);
  REQUIRE_MESSAGE(at != state.blobs.end(), name);
  const auto& bytes = at->second.data;
  Vector out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

double error_of(AlgorithmKind kind, const MakeCompressor& make, Round rounds, float rate,
                std::optional<double> eta = std::nullopt) {
  const LeastSquares problem;
  Lockstep flock = mesh(kind, make, eta);
  flock.learning_rate = rate;
  flock.run(rounds, problem.step(rate));
  return problem.error(flock.model(0));
}

}  // namespace

TEST_CASE(
    "mesh: 500 rounds are those of the server with the compressor shard by shard, to the bit") {
  const LeastSquares problem;
  for (const AlgorithmKind kind :
       {AlgorithmKind::ef_sgd, AlgorithmKind::doublesqueeze, AlgorithmKind::ef21,
        AlgorithmKind::ef21_bc, AlgorithmKind::ef21_sgdm, AlgorithmKind::econtrol,
        AlgorithmKind::cd_adam}) {
    CAPTURE(std::string(name_of(kind)));
    for (const MakeCompressor& make : {kSign, kTopTenth}) {
      const float rate = kind == AlgorithmKind::cd_adam ? 1.0f / 512 : 1.0f / 16;
      Lockstep flock = mesh(kind, make, 0.0625);
      Server server(kind, make, 0.0625);
      flock.run(500, problem.step(rate));
      for (int round = 0; round < 500; ++round) server.round(problem.step(rate));
      for (std::size_t i = 0; i < kNodes; ++i) {
        REQUIRE(std::ranges::equal(flock.model(i), server.x));
      }
    }
  }
}

// §12, §14: shifts make a method exact where data differ; error feedback alone stays away.
TEST_CASE(
    "mesh: on heterogeneous least squares EF21, EF21-BC, EControl and CD-Adam reach float "
    "accuracy, EF-SGD and DoubleSqueeze do not") {
  using enum AlgorithmKind;
  for (const AlgorithmKind kind : {ef21, ef21_bc, econtrol}) {
    CAPTURE(std::string(name_of(kind)));
    CHECK(error_of(kind, kTopTenth, 4000, 0.05f) < 1e-5);
  }
  CHECK(error_of(cd_adam, kTopTenth, 4000, 0.01f) < 1e-5);
  for (const AlgorithmKind kind : {ef_sgd, doublesqueeze}) {
    CAPTURE(std::string(name_of(kind)));
    const double error = error_of(kind, kTopTenth, 4000, 0.05f);
    CHECK(error > 1e-4);
    CHECK(error < 0.5);
  }
}

TEST_CASE("mesh: DIANA with an unbiased operator is exact, compressed SGD is not") {
  const MakeCompressor quantize = [] {
    return std::make_unique<compress::Quantize>(compress::QuantizeParams{.bits = 2});
  };
  CHECK(error_of(AlgorithmKind::diana, quantize, 3000, 0.05f) < 1e-5);
  CHECK(error_of(AlgorithmKind::dcsgd, quantize, 3000, 0.05f) > 1e-4);
}

// §2: η is the gain of an integrator; at 1 it is the naive form, which diverges.
TEST_CASE("mesh: EControl converges with eta = delta and diverges with eta = 1") {
  CHECK(error_of(AlgorithmKind::econtrol, kTopTenth, 3000, 0.05f, 0.1) < 1e-4);
  const LeastSquares problem;
  Lockstep naive = mesh(AlgorithmKind::econtrol, kTopTenth, 1.0);
  for (int step = 0; step < 300 && problem.error(naive.model(0)) < 1e3; ++step) {
    naive.run(10, problem.step(0.05f));
  }
  CHECK(problem.error(naive.model(0)) >= 1e3);
}

// §7: z = x - e_s - mean(e_i) moves by the mean update exactly, whatever C loses.
TEST_CASE("mesh: DoubleSqueeze's virtual iterate follows exact gradient descent") {
  const LeastSquares problem;
  Lockstep flock = mesh(AlgorithmKind::doublesqueeze, kSign);
  const auto iterate = [&] {
    std::vector<double> z(kSize);
    for (std::size_t i = 0; i < kNodes; ++i) {
      const Vector e = saved_floats(flock, i, "method.up.error");
      const Vector own = saved_floats(flock, i, "method.down.error");
      for (std::size_t k = 0; k < kSize; ++k) z[k] -= double{e[k]} / kNodes;
      for (std::size_t k = 0; k < own.size(); ++k) z[kSize * i / kNodes + k] -= own[k];
    }
    for (std::size_t k = 0; k < kSize; ++k) z[k] += flock.model(0)[k];
    return z;
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<double> expected = iterate();
    for (std::size_t i = 0; i < kNodes; ++i) {
      Vector update(kSize);
      problem.step(0.05f)(i, flock.model(i), update);
      for (std::size_t k = 0; k < kSize; ++k) expected[k] -= double{update[k]} / kNodes;
    }
    flock.run(1, problem.step(0.05f));
    const std::vector<double> z = iterate();
    for (std::size_t k = 0; k < kSize; ++k) CHECK(std::abs(z[k] - expected[k]) < 1e-5);
  }
}

// §0.2: both legs of one bit a coordinate.
TEST_CASE("mesh: one bit each way is less than a twenty-fifth of the bytes of raw float32") {
  const std::size_t size = 80'000;
  const auto bytes = [&](AlgorithmKind kind, const MakeCompressor& make) {
    Lockstep flock(options_of(kind), complete(kNodes), vector_of(size),
                   std::vector(kNodes, Vector(size, 0.0f)), 7, make);
    flock.run(2, [](std::size_t i, std::span<const float>, std::span<float> update) {
      Random(1, Stream::test, {i}).fill_normal(update);
    });
    return flock.sent_bytes();
  };
  CHECK(25 * bytes(AlgorithmKind::doublesqueeze, kSign) < bytes(AlgorithmKind::ef_sgd, kIdentity));
}

// §11: models stay equal to the bit where a node misses what an owner told.
TEST_CASE("mesh: a node whose edge was down is brought up to date in front of the next message") {
  const LeastSquares problem;
  for (const AlgorithmTraits& traits : all_algorithms()) {
    if (!traits.is_mesh()) continue;
    CAPTURE(std::string(traits.name));
    Lockstep flock = mesh(traits.kind, traits.coding == Coding::unbiased ? kIdentity : kTopTenth);
    const auto all_equal = [&] {
      for (std::size_t i = 1; i < kNodes; ++i) {
        if (!std::ranges::equal(flock.model(0), flock.model(i))) return false;
      }
      return true;
    };
    flock.run(20, problem.step(0.05f));
    CHECK(all_equal());
    flock.give(2, PeerDown{node_id(5)});
    flock.give(5, PeerDown{node_id(2)});
    flock.run(20, problem.step(0.05f));
    CHECK_FALSE(all_equal());
    flock.give(2, PeerUp{node_id(5), 2});
    flock.give(5, PeerUp{node_id(2), 2});
    flock.pump();
    flock.run(20, problem.step(0.05f));
    CHECK(all_equal());
    for (const EdgeStatus& edge : flock.algorithm(2).edges()) CHECK(edge.reopened == 0);
  }
}
