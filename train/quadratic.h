// A problem whose answer is known: f_i(x) = ½ (x - c_i)ᵀ A_i (x - c_i) on every node i.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "protocol/tensor_layout.h"
#include "train/options.h"

namespace starling::train {

// Immutable once made, then any thread. In double throughout, so that the error of a float model
// can be measured. Draws from Random(seed, Stream::quadratic, …).
//
//   A_i  Q_i diag(λ) Q_iᵀ with a random rotation Q_i and λ_k = condition^(k/(dimension-1)): evenly
//        spaced in the logarithm from 1 to `condition`
//   c_i  centre + heterogeneity · N(0, 1), one centre ~ N(0, 1) for all nodes
//   l2   adds ½·l2·‖x‖² to every f_i
class Quadratic {
 public:
  // Uses options.dimension (≥ 1), condition (≥ 1) and heterogeneity; nodes ≥ 1, not all of
  // which have left (ascending).
  Quadratic(const DataOptions& options, double l2, std::uint64_t seed, std::size_t nodes,
            std::span<const std::size_t> left = {});

  std::size_t dimension() const { return dimension_; }
  std::size_t nodes() const { return curvature_.size(); }

  // One tensor "x". Low-rank methods need a matrix, so it has the shape {a, b} with the largest
  // divisor a of the dimension that is at most its root; a prime dimension stays a vector.
  TensorLayout layout() const;

  // ∇f_i at x into `out`; returns f_i. Both with l2.
  double gradient(std::size_t node, std::span<const float> x, std::span<double> out) const;
  // (∇²f_i)⁻¹, dimension × dimension, symmetric; with l2.
  std::vector<double> inverse_curvature(std::size_t node) const;
  // f_i without l2.
  double value(std::size_t node, std::span<const float> x) const;

  // x* of the mean of the f_i of those that have not left: (Σ (A_i + l2·I))⁻¹ Σ A_i c_i.
  std::span<const double> optimum() const { return optimum_; }
  // ‖x - x*‖ / ‖x*‖
  double relative_error(std::span<const float> x) const;

 private:
  double data_term(std::size_t node, std::span<const float> x, std::span<double> out) const;
  void solve(std::span<const std::size_t> left);

  std::size_t dimension_;
  double l2_;
  std::vector<std::vector<double>> curvature_;  // A_i, dimension × dimension, symmetric
  std::vector<std::vector<double>> centre_;     // c_i
  std::vector<double> optimum_;
};

}  // namespace starling::train
