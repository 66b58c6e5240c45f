// The specification's test problem (§0): strongly heterogeneous quadratics on the ring of eight.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "compress/identity.h"
#include "compress/sign.h"
#include "gossip/topology.h"
#include "tests/support/lockstep.h"
#include "train/quadratic.h"

namespace starling::test {

inline gossip::Topology ring(std::size_t n) {
  return *gossip::Topology::make(
      {.kind = gossip::TopologyKind::ring, .nodes = n, .degree = 0, .edges = {}}, 1);
}

using MakeCompressor = std::function<std::unique_ptr<compress::Compressor>()>;

inline const MakeCompressor kNone = {};
inline const MakeCompressor kIdentity = [] { return std::make_unique<compress::Identity>(); };
inline const MakeCompressor kSign = [] {
  return std::make_unique<compress::Sign>(compress::Norm::l1, 0);
};

inline gossip::GossipOptions options_of(gossip::AlgorithmKind kind,
                                        std::optional<double> gamma = {}) {
  gossip::GossipOptions options;
  options.algorithm = kind;
  options.gamma = gamma;
  return options;
}

// QUAD: d = 20, curvatures 1 to 10.
class Quad {
 public:
  static constexpr std::size_t kNodes = 8, kSize = 20;
  static constexpr double kLipschitz = 10;

  Quad() : quadratic_(data(), 0, 5, kNodes) {}

  TensorLayout layout() const { return quadratic_.layout(); }
  std::vector<std::vector<float>> starts() const {
    return std::vector(kNodes, std::vector<float>(kSize, 0.0f));
  }
  // rate · ∇f_i at the model.
  UpdateOf step(double rate) const {
    return [this, rate](std::size_t node, std::span<const float> model, std::span<float> update) {
      std::vector<double> gradient(kSize);
      quadratic_.gradient(node, model, gradient);
      for (std::size_t k = 0; k < kSize; ++k) update[k] = static_cast<float>(rate * gradient[k]);
    };
  }
  // sqrt(mean_i ‖x_i - x*‖²) / ‖x*‖
  double error(const Lockstep& flock) const {
    double sum = 0;
    for (std::size_t i = 0; i < kNodes; ++i) sum += squared_error(flock.model(i));
    return std::sqrt(sum / kNodes);
  }
  // The same of models that stand one after the other.
  double error(std::span<const float> models) const {
    double sum = 0;
    for (std::size_t i = 0; i < kNodes; ++i) sum += squared_error(models.subspan(i * kSize, kSize));
    return std::sqrt(sum / kNodes);
  }

 private:
  double squared_error(std::span<const float> x) const {
    const double error = quadratic_.relative_error(x);
    return error * error;
  }
  static train::DataOptions data() {
    train::DataOptions options;
    options.dimension = kSize;
    options.condition = kLipschitz;
    options.heterogeneity = 3;
    return options;
  }
  train::Quadratic quadratic_;
};

}  // namespace starling::test
