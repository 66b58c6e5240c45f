#include "gossip/algorithms.h"

#include <algorithm>
#include <cmath>

#include "protocol/check.h"

namespace starling::gossip {
namespace {

using enum AlgorithmKind;
using enum Order;

constexpr AlgorithmTraits kAlgorithms[] = {
    {none, "none", either, Coding::raw, kNoParameters},
    {d_psgd, "d-psgd", either, Coding::raw, kRelaxation},
    {powergossip, "powergossip", either, Coding::own, kPowerIteration | kRelaxation},
    {powergossip_exact, "powergossip-exact", adapt_then_combine, Coding::own,
     kPowerIteration | kRelaxation | kGamma},
    {choco, "choco", either, Coding::contractive, kGamma},
    {cold, "cold", adapt_then_combine, Coding::contractive, kGamma},
    {dyna_cold, "dyna-cold", adapt_then_combine, Coding::own, kGamma | kRho},
    {lead, "lead", adapt_then_combine, Coding::unbiased, kGamma | kAlpha},
    {def_atc, "def-atc", adapt_then_combine, Coding::any, kGamma | kZeta},
    {actc, "actc", adapt_then_combine, Coding::unbiased, kGamma | kZeta},
    {nids, "nids", adapt_then_combine, Coding::raw, kNoParameters},
    {d2, "d2", adapt_then_combine, Coding::raw, kNoParameters},
    {gradient_tracking, "gradient-tracking", combine_while_adapt, Coding::raw, kNoParameters},
    {deepsqueeze, "deepsqueeze", adapt_then_combine, Coding::contractive, kGamma},
    {beer, "beer", adapt_then_combine, Coding::contractive, kGamma},
    {lessbit, "lessbit", adapt_then_combine, Coding::unbiased, kGamma | kAlpha},
};

// δ of the operator, or of its contractive scaling C/(1 + ω) (specification §0).
double contraction(const compress::Contract& c) {
  switch (c.guarantee) {
    case compress::Guarantee::contractive: return c.constant;
    case compress::Guarantee::unbiased: return 1 / (1 + c.constant);
    case compress::Guarantee::bounded: return std::max(0.0, 1 - c.constant);
  }
  return 0;
}

// An operator that loses next to nothing: the method runs as its uncompressed form does.
constexpr double kNearlyExact = 0.9;

// Stability tables of the gossip specification (§4, §5, §7), on the safe side of what was measured.
double default_gamma(AlgorithmKind kind, double delta) {
  const bool exact = delta >= kNearlyExact;
  switch (kind) {
    case choco: return exact ? 1 : 0.4 * std::sqrt(delta);
    case cold:
    case lead: return exact ? 1 : delta / 2;
    case def_atc:
    case actc: return 1;
    case deepsqueeze: return exact ? 1 : delta / 10;
    case beer: return exact ? 0.5 : std::min(0.2, delta);
    case dyna_cold: return 0.3;
    case lessbit: return 0.05;
    default: return 1;
  }
}

// §5: ζ = 0.3 for 10 %, 0.5 for 25 %.
double default_zeta(double delta) {
  return delta >= kNearlyExact ? 1 : std::clamp(std::sqrt(delta), 0.1, 0.6);
}

}  // namespace

std::span<const AlgorithmTraits> all_algorithms() { return kAlgorithms; }

const AlgorithmTraits& traits_of(AlgorithmKind kind) {
  const auto at = std::ranges::find(kAlgorithms, kind, &AlgorithmTraits::kind);
  INVARIANT(at != std::end(kAlgorithms));
  return *at;
}

const char* name_of(AlgorithmKind kind) { return traits_of(kind).name; }

GossipOptions with_defaults(GossipOptions options, const compress::Contract* contract) {
  const AlgorithmTraits& traits = traits_of(options.algorithm);
  const double delta = contract ? contraction(*contract) : 1;
  if (traits.takes(kGamma) && !options.gamma) options.gamma = default_gamma(traits.kind, delta);
  if (traits.takes(kZeta) && !options.zeta) options.zeta = default_zeta(delta);
  if (traits.takes(kAlpha) && !options.alpha) options.alpha = delta;
  if (traits.takes(kRho) && !options.rho) options.rho = 0.97;
  return options;
}

}  // namespace starling::gossip
