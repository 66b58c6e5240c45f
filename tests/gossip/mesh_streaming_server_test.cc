// Streaming DiLoCo's mesh against a server: specification mesh-algorithms.md §0.2 and §9.2.
#include <doctest/doctest.h>

#include "tests/gossip/least_squares.h"
#include "tests/gossip/server_coding.h"

using namespace starling;
using namespace starling::gossip;
using namespace starling::test;

namespace {

// Workers with a model each, and a server with θ, momentum and error; in every round they exchange
// one fragment of each shard, on the models before the step where that overlaps.
class StreamingServer {
 public:
  StreamingServer(const GossipOptions& options, const MakeCompressor& make)
      : o_(options), c_(make()) {}

  void round(const UpdateOf& update_of) {
    std::vector<Vector> updates(kNodes, Vector(kSize));
    for (std::size_t i = 0; i < kNodes; ++i) update_of(i, models[i], updates[i]);
    if (!o_.overlap) take(updates);
    const std::size_t f = round_ % o_.fragments;
    for (std::size_t p = 0; p < kNodes; ++p) {
      const std::size_t begin = kSize * p / kNodes, size = kSize * (p + 1) / kNodes - begin;
      const std::size_t first = size * f / o_.fragments, end = size * (f + 1) / o_.fragments;
      exchange(begin + first, end - first);
    }
    if (o_.overlap) take(updates);
    ++round_;
  }

  std::vector<Vector> models{kNodes, Vector(kSize, 0.0f)};

 private:
  void take(const std::vector<Vector>& updates) {
    for (std::size_t i = 0; i < kNodes; ++i) {
      for (std::size_t k = 0; k < kSize; ++k) models[i][k] -= updates[i][k];
    }
  }

  // C(u), decoded.
  Vector compressed(std::span<const float> u) {
    std::vector<std::byte> bytes(c_->encoded_bytes_max(u.size()));
    Vector out(u.size(), 0.0f);
    const auto used = c_->encode(u, 0, bytes);
    REQUIRE(used.ok());
    REQUIRE(c_->decode_add(std::span(bytes).first(*used), 1, out).ok());
    return out;
  }

  void exchange(std::size_t begin, std::size_t size) {
    const auto blend = static_cast<float>(o_.blend), rate = static_cast<float>(o_.outer_rate),
               momentum = static_cast<float>(o_.outer_momentum);
    const auto part = [&](Vector& whole) { return std::span(whole).subspan(begin, size); };
    const std::span<float> theta = part(theta_), m = part(m_), error = part(error_);
    Vector mean(size, 0.0f);
    for (std::size_t i = 0; i < kNodes; ++i) {
      const std::span<float> x = part(models[i]), e = part(e_[i]);
      for (std::size_t k = 0; k < size; ++k) {
        e[k] += theta[k] - x[k];
        x[k] = theta[k] - blend * (theta[k] - x[k]);
      }
      const Vector q = compressed(e);
      for (std::size_t k = 0; k < size; ++k) {
        e[k] += -1.0f * q[k];
        mean[k] += q[k];
      }
    }
    for (std::size_t k = 0; k < size; ++k) {
      mean[k] /= static_cast<float>(kNodes);
      m[k] = momentum * m[k] + mean[k];
      error[k] += rate * (mean[k] + momentum * m[k]);
    }
    const Vector q = compressed(error);
    for (std::size_t k = 0; k < size; ++k) {
      error[k] += -1.0f * q[k];
      const float moved = theta[k] + -1.0f * q[k];
      for (Vector& model : models) {
        float& x = part(model)[k];
        if (blend > 0) x -= blend * (moved - theta[k]);
        x = moved + (x - theta[k]);
      }
      theta[k] = moved;
    }
  }

  const GossipOptions o_;
  const std::unique_ptr<compress::Compressor> c_;
  Round round_ = 0;
  Vector theta_ = Vector(kSize, 0.0f), m_ = theta_, error_ = theta_;
  std::vector<Vector> e_{kNodes, theta_};
};

}  // namespace

TEST_CASE("mesh: 500 rounds of streaming DiLoCo are those of a server, to the bit") {
  const LeastSquares problem;
  for (const bool overlap : {false, true}) {
    for (const double blend : {0.0, 0.5}) {
      for (const MakeCompressor& make : {kSign, kTopOne}) {
        CAPTURE(overlap);
        CAPTURE(blend);
        GossipOptions options = options_of(AlgorithmKind::streaming_diloco);
        options.overlap = overlap;
        options.blend = blend;
        Lockstep flock = mesh(options, make);
        StreamingServer server(options, make);
        const UpdateOf step = problem.step(1.0f / 128);
        flock.run(500, step);
        for (int round = 0; round < 500; ++round) server.round(step);
        for (std::size_t i = 0; i < kNodes; ++i) {
          REQUIRE(std::ranges::equal(flock.model(i), server.models[i]));
          CHECK(std::ranges::any_of(server.models[i], [](float x) { return x != 0; }));
        }
      }
    }
  }
}
