// Eigenvalues of the mixing matrix. It is symmetric and small, and this floor sees no linear
// algebra library, so the cyclic Jacobi method does (Golub & Van Loan, Matrix Computations, §8.5).
#include <algorithm>
#include <cmath>

#include "gossip/topology.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

class SymmetricMatrix {
 public:
  explicit SymmetricMatrix(std::size_t n) : n_(n), entries_(n * n, 0.0) {}
  double& at(std::size_t r, std::size_t c) { return entries_[r * n_ + c]; }
  std::size_t size() const { return n_; }

  double off_diagonal() {
    double sum = 0;
    for (std::size_t r = 0; r < n_; ++r) {
      for (std::size_t c = 0; c < r; ++c) sum += at(r, c) * at(r, c);
    }
    return sum;
  }

  // One Jacobi rotation, which makes the entry (p, q) zero.
  void rotate(std::size_t p, std::size_t q) {
    const double apq = at(p, q);
    if (apq == 0) return;
    const double tau = (at(q, q) - at(p, p)) / (2 * apq);
    const double t = std::copysign(1.0, tau) / (std::abs(tau) + std::sqrt(1 + tau * tau));
    const double c = 1 / std::sqrt(1 + t * t), s = t * c;
    for (std::size_t k = 0; k < n_; ++k) {
      const double akp = at(k, p), akq = at(k, q);
      at(k, p) = c * akp - s * akq;
      at(k, q) = s * akp + c * akq;
    }
    for (std::size_t k = 0; k < n_; ++k) {
      const double apk = at(p, k), aqk = at(q, k);
      at(p, k) = c * apk - s * aqk;
      at(q, k) = s * apk + c * aqk;
    }
  }

 private:
  std::size_t n_;
  std::vector<double> entries_;
};

std::vector<double> descending_eigenvalues(SymmetricMatrix matrix) {
  constexpr int kSweepsMax = 60;
  const std::size_t n = matrix.size();
  const double enough = 1e-30 * static_cast<double>(n);
  for (int sweep = 0; sweep < kSweepsMax && matrix.off_diagonal() > enough; ++sweep) {
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) matrix.rotate(p, q);
    }
  }
  std::vector<double> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = matrix.at(i, i);
  std::sort(values.rbegin(), values.rend());
  return values;
}

}  // namespace

double Spectrum::gap() const { return 1 - std::max(std::abs(lambda_2), std::abs(lambda_n)); }

double Spectrum::optimal_relaxation() const { return 2 / (2 - lambda_2 - lambda_n); }

double Spectrum::gap_at_optimal_relaxation() const {
  // I + s(W - I) has the eigenvalues 1 - s(1 - λ); at the best s both ends are equally far from 0.
  return optimal_relaxation() * (1 - lambda_2);
}

Spectrum Topology::spectrum() const {
  INVARIANT(!is_directed());
  SymmetricMatrix w(present_.size());
  const auto place = [this](NodeId node) {
    return static_cast<std::size_t>(std::ranges::lower_bound(present_, node) - present_.begin());
  };
  for (const NodeId node : present_) w.at(place(node), place(node)) = self_weight(node);
  for (const Edge& edge : edges_) {
    w.at(place(edge.low), place(edge.high)) = edge.weight;
    w.at(place(edge.high), place(edge.low)) = edge.weight;
  }
  const std::vector<double> values = descending_eigenvalues(std::move(w));
  return {values[1], values.back()};
}

}  // namespace starling::gossip
