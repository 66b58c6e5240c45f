// The specification's test problem (§0): strongly heterogeneous quadratics on the ring of eight.
#pragma once

#include <algorithm>
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
#include "protocol/random.h"
#include "tests/support/lockstep.h"
#include "train/quadratic.h"

namespace starling::test {

inline gossip::Topology ring(std::size_t n) {
  return *gossip::Topology::make(
      {.kind = gossip::TopologyKind::ring, .nodes = n, .degree = 0, .edges = {}}, 1);
}

inline gossip::Topology complete(std::size_t n) {
  return *gossip::Topology::make(
      {.kind = gossip::TopologyKind::complete, .nodes = n, .degree = 0, .edges = {}}, 1);
}

// A layout that is no matrix.
inline TensorLayout vector_of(std::size_t size) {
  TensorLayout layout;
  layout.add("x", {size});
  return layout;
}

inline std::vector<std::vector<float>> random_starts(std::size_t nodes, std::size_t size) {
  std::vector<std::vector<float>> starts(nodes, std::vector<float>(size));
  for (std::size_t i = 0; i < nodes; ++i) Random(3, Stream::test, {i}).fill_normal(starts[i]);
  return starts;
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
  // The specification's tables of γ are for the paper's form.
  if (gamma && kind == gossip::AlgorithmKind::cold) options.beta = 1;
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
  // From the model to argmin f_i + <slope, ·>, the slope being the algorithm's.
  UpdateOf solution(Lockstep& flock) const {
    return [this, &flock](std::size_t node, std::span<const float> model, std::span<float> update) {
      const std::span<const float> slope = flock.algorithm(node).slope().value();
      std::vector<double> gradient(kSize);
      quadratic_.gradient(node, model, gradient);
      const std::vector<double> inverse = quadratic_.inverse_curvature(node);
      for (std::size_t i = 0; i < kSize; ++i) {
        double sum = 0;
        for (std::size_t k = 0; k < kSize; ++k)
          sum += inverse[i * kSize + k] * (gradient[k] + slope[k]);
        update[i] = static_cast<float>(sum);
      }
    };
  }
  std::vector<double> gradient(std::size_t node, std::span<const float> model) const {
    std::vector<double> gradient(kSize);
    quadratic_.gradient(node, model, gradient);
    return gradient;
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

// LOG: logistic regression, 40 samples a node, of which each node has one label only (two have
// both), ½ · 0.05 · ‖x‖² added; curvatures up to about 0.8.
class Log {
 public:
  static constexpr std::size_t kNodes = 8, kSize = 20, kSamples = 40;
  static constexpr double kLipschitz = 0.8, kL2 = 0.05;

  Log() : samples_(kNodes * kSamples), optimum_(kSize, 0.0) {
    std::vector<float> truth(kSize);
    Random(31, Stream::test, {1}).fill_normal(truth);
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      Sample& sample = samples_[s];
      sample.x.resize(kSize);
      Random(31, Stream::test, {2, s}).fill_normal(sample.x);
      double along = Random(31, Stream::test, {3}).normal(s);
      for (std::size_t k = 0; k < kSize; ++k) along += double{sample.x[k]} * truth[k];
      sample.label = along > 0 ? 1 : -1;
    }
    std::ranges::stable_sort(samples_, {}, &Sample::label);
    for (int step = 0; step < 3000; ++step) descend();
  }

  TensorLayout layout() const {
    TensorLayout all;
    all.add("x", {4, 5});
    return all;
  }
  std::vector<std::vector<float>> starts() const {
    return std::vector(kNodes, std::vector<float>(kSize, 0.0f));
  }
  UpdateOf step(double rate) const {
    return [this, rate](std::size_t node, std::span<const float> model, std::span<float> update) {
      const std::vector<double> x(model.begin(), model.end());
      std::vector<double> gradient(kSize, 0.0);
      add_gradient(node, x, gradient);
      for (std::size_t k = 0; k < kSize; ++k) update[k] = static_cast<float>(rate * gradient[k]);
    };
  }
  double error(const Lockstep& flock) const {
    double sum = 0, norm = 0;
    for (std::size_t k = 0; k < kSize; ++k) {
      norm += optimum_[k] * optimum_[k];
      for (std::size_t i = 0; i < kNodes; ++i) {
        const double distance = flock.model(i)[k] - optimum_[k];
        sum += distance * distance;
      }
    }
    return std::sqrt(sum / kNodes / norm);
  }

 private:
  struct Sample {
    std::vector<float> x;
    int label = 0;
  };

  void add_gradient(std::size_t node, std::span<const double> x, std::span<double> out) const {
    for (std::size_t s = node * kSamples; s < (node + 1) * kSamples; ++s) {
      double margin = 0;
      for (std::size_t k = 0; k < kSize; ++k) margin += samples_[s].x[k] * x[k];
      const double slope = -samples_[s].label / (1 + std::exp(samples_[s].label * margin));
      for (std::size_t k = 0; k < kSize; ++k) out[k] += slope * samples_[s].x[k] / kSamples;
    }
    for (std::size_t k = 0; k < kSize; ++k) out[k] += kL2 * x[k];
  }

  void descend() {
    std::vector<double> gradient(kSize, 0.0);
    for (std::size_t i = 0; i < kNodes; ++i) add_gradient(i, optimum_, gradient);
    for (std::size_t k = 0; k < kSize; ++k) optimum_[k] -= gradient[k] / kNodes / kLipschitz;
  }

  std::vector<Sample> samples_;
  std::vector<double> optimum_;
};

}  // namespace starling::test
