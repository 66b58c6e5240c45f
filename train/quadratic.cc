#include "train/quadratic.h"

#include <Eigen/Cholesky>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "protocol/check.h"
#include "protocol/random.h"

namespace starling::train {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

// Last parts of the random keys, so that the uses of Stream::quadratic stay apart.
enum Use : std::uint64_t { kCommonCentre, kCentre, kRotation };

VectorXd spectrum(std::size_t dimension, double condition) {
  VectorXd values(dimension);
  for (std::size_t k = 0; k < dimension; ++k) {
    const double at = dimension == 1 ? 0 : static_cast<double>(k) / (dimension - 1.0);
    values[static_cast<Eigen::Index>(k)] = std::pow(condition, at);
  }
  return values;
}

// Q of the QR factors of a Gaussian matrix. Its columns' signs are not uniform, which a product
// Q Λ Qᵀ does not see.
MatrixXd rotation(std::size_t dimension, const Random& random) {
  const auto n = static_cast<Eigen::Index>(dimension);
  MatrixXd gaussian(n, n);
  for (Eigen::Index i = 0; i < gaussian.size(); ++i) {
    gaussian.data()[i] = random.normal(static_cast<std::uint64_t>(i));
  }
  return Eigen::HouseholderQR<MatrixXd>(gaussian).householderQ();
}

}  // namespace

Quadratic::Quadratic(const DataOptions& options, double l2, std::uint64_t seed, std::size_t nodes,
                     std::span<const std::size_t> left)
    : dimension_(options.dimension), l2_(l2) {
  INVARIANT(dimension_ >= 1 && nodes >= 1);
  const Random common(seed, Stream::quadratic, {kCommonCentre});
  const VectorXd lambda = spectrum(dimension_, options.condition);
  for (std::size_t node = 0; node < nodes; ++node) {
    const Random own(seed, Stream::quadratic, {kCentre, node});
    std::vector<double> centre(dimension_);
    for (std::size_t k = 0; k < dimension_; ++k) {
      centre[k] = common.normal(k) + options.heterogeneity * own.normal(k);
    }
    centre_.push_back(std::move(centre));
    const MatrixXd q = rotation(dimension_, Random(seed, Stream::quadratic, {kRotation, node}));
    const MatrixXd product = q * lambda.asDiagonal() * q.transpose();
    const MatrixXd symmetric = (product + product.transpose()) / 2;
    curvature_.emplace_back(symmetric.data(), symmetric.data() + symmetric.size());
  }
  solve(left);
}

void Quadratic::solve(std::span<const std::size_t> left) {
  const auto n = static_cast<Eigen::Index>(dimension_);
  MatrixXd sum = MatrixXd::Identity(n, n) * (l2_ * static_cast<double>(nodes() - left.size()));
  VectorXd right = VectorXd::Zero(n);
  for (std::size_t node = 0; node < nodes(); ++node) {
    if (std::ranges::binary_search(left, node)) continue;
    const Eigen::Map<const MatrixXd> a(curvature_[node].data(), n, n);
    sum += a;
    right += a * Eigen::Map<const VectorXd>(centre_[node].data(), n);
  }
  const VectorXd solution = sum.llt().solve(right);
  optimum_.assign(solution.data(), solution.data() + n);
}

TensorLayout Quadratic::layout() const {
  std::size_t rows = 1;
  for (std::size_t a = 2; a * a <= dimension_; ++a) {
    if (dimension_ % a == 0) rows = a;
  }
  TensorLayout layout;
  if (rows == 1) {
    layout.add("x", {dimension_});
  } else {
    layout.add("x", {rows, dimension_ / rows});
  }
  return layout;
}

double Quadratic::data_term(std::size_t node, std::span<const float> x,
                            std::span<double> out) const {
  INVARIANT(node < nodes() && x.size() == dimension_ && out.size() == dimension_);
  const auto n = static_cast<Eigen::Index>(dimension_);
  const Eigen::Map<const MatrixXd> a(curvature_[node].data(), n, n);
  const Eigen::Map<const VectorXd> c(centre_[node].data(), n);
  const VectorXd away = Eigen::Map<const Eigen::VectorXf>(x.data(), n).cast<double>() - c;
  Eigen::Map<VectorXd> slope(out.data(), n);
  slope.noalias() = a * away;
  return 0.5 * away.dot(slope);
}

double Quadratic::value(std::size_t node, std::span<const float> x) const {
  std::vector<double> slope(dimension_);
  return data_term(node, x, slope);
}

double Quadratic::gradient(std::size_t node, std::span<const float> x,
                           std::span<double> out) const {
  double value = data_term(node, x, out);
  for (std::size_t k = 0; k < dimension_; ++k) {
    value += 0.5 * l2_ * static_cast<double>(x[k]) * x[k];
    out[k] += l2_ * x[k];
  }
  return value;
}

std::vector<double> Quadratic::inverse_curvature(std::size_t node) const {
  const auto n = static_cast<Eigen::Index>(dimension_);
  const MatrixXd curvature =
      Eigen::Map<const MatrixXd>(curvature_[node].data(), n, n) + MatrixXd::Identity(n, n) * l2_;
  const MatrixXd inverse = curvature.llt().solve(MatrixXd::Identity(n, n));
  return {inverse.data(), inverse.data() + inverse.size()};
}

double Quadratic::relative_error(std::span<const float> x) const {
  double away = 0, size = 0;
  for (std::size_t k = 0; k < dimension_; ++k) {
    away += (x[k] - optimum_[k]) * (x[k] - optimum_[k]);
    size += optimum_[k] * optimum_[k];
  }
  return std::sqrt(away / size);
}

}  // namespace starling::train
