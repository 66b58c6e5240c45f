// Heterogeneous least squares in a mesh of eight: specification mesh-algorithms.md §14.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compress/count_sketch.h"
#include "compress/top_k.h"
#include "gossip/algorithms.h"
#include "tests/gossip/problems.h"
#include "tests/support/memory_state.h"

namespace starling::test {

inline constexpr std::size_t kNodes = 8, kSize = 159;  // shards of 19 and 20

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

// δ = 0.05: one of a shard.
inline const MakeCompressor kTopOne = [] { return std::make_unique<compress::TopK>(0.05); };

// An operator that the method's theory admits.
inline MakeCompressor usual_operator(gossip::AlgorithmKind kind) {
  switch (gossip::traits_of(kind).coding) {
    case gossip::Coding::own: return kNone;
    case gossip::Coding::unbiased: return kIdentity;
    case gossip::Coding::sketch:
      return [] {
        return std::make_unique<compress::CountSketch>(
            compress::CountSketchOptions{.rows = 3, .width = 16, .keep = 2});
      };
    default: return kTopOne;
  }
}

inline Lockstep mesh(const gossip::GossipOptions& options, const MakeCompressor& make) {
  return {options, complete(kNodes), vector_of(kSize), std::vector(kNodes, Vector(kSize, 0.0f)), 7,
          make};
}

inline Lockstep mesh(gossip::AlgorithmKind kind, const MakeCompressor& make,
                     std::optional<double> eta = std::nullopt) {
  gossip::GossipOptions options = options_of(kind);
  options.eta = eta;
  return mesh(options, make);
}

// Named vectors of one node, as it would save them.
inline Vector saved_floats(Lockstep& flock, std::size_t node, const std::string& name) {
  const MemoryState state = saved(flock.algorithm(node));
  const auto at = state.blobs.find(name);
  REQUIRE_MESSAGE(at != state.blobs.end(), name);
  const auto& bytes = at->second.data;
  Vector out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

inline double error_of(gossip::AlgorithmKind kind, const MakeCompressor& make, Round rounds,
                       float rate, std::optional<double> eta = std::nullopt) {
  const LeastSquares problem;
  Lockstep flock = mesh(kind, make, eta);
  flock.learning_rate = rate;
  flock.run(rounds, problem.step(rate));
  return problem.error(flock.model(0));
}

inline double worst_error(const Lockstep& flock, const LeastSquares& problem) {
  double worst = 0;
  for (std::size_t i = 0; i < kNodes; ++i) {
    worst = std::max(worst, problem.error(flock.model(i)));
  }
  return worst;
}

// What is left of the error when the rate falls to nothing over the rounds.
inline double error_with_decay(const gossip::GossipOptions& options, const MakeCompressor& make,
                               int rounds, float rate) {
  const LeastSquares problem;
  Lockstep flock = mesh(options, make);
  for (int round = 0; round < rounds; ++round) {
    const float now = rate * static_cast<float>(rounds - round) / static_cast<float>(rounds);
    flock.learning_rate = now;
    flock.run(1, problem.step(now));
  }
  return worst_error(flock, problem);
}

}  // namespace starling::test
