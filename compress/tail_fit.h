// The magnitude that a given fraction of a sample reaches, from a distribution fitted to it instead
// of from sorting it.
//
// SIDCo, Abdelmoniem, Elzanaty, Alouini and Canini 2021 (arXiv 2101.10761). For magnitudes z with
// mean μ and variance v and the target ratio δ:
//
//   exponential  η = μ ln(1/δ)
//   pareto       generalised, by moments: ξ = (1 - μ²/v)/2, β = μ(μ²/v + 1)/2,
//                η = (β/ξ)(δ^-ξ - 1); exponential where |ξ| < 1e-6
//   gamma        s = ln μ - mean ln z, α = (3 - s + √((s - 3)² + 24s))/(12s), η = (μ/α) P⁻¹(α, 1 -
//   δ)
//
// In several stages: the first aims at δ1 = 1/4, and each of the others fits what exceeds the stage
// before, less the smallest of it, and aims at (δ/δ1)^(1/(stages - 1)) of that. More stages look
// further out into the tail.
#pragma once

#include <span>

namespace starling::compress {

enum class TailModel { exponential, pareto, gamma_pareto };  // gamma in the first stage alone

struct TailFit {
  TailModel model = TailModel::pareto;
  unsigned stages = 2;
  double ratio = 0.01;  // δ, 0 < δ <= 1
};

// η for magnitudes z, finite and not negative; z is reordered. 0 where there are none or all are
// zeros. Uses libm: for a choice of the sender alone.
double tail_threshold(std::span<float> z, const TailFit& fit);

}  // namespace starling::compress
