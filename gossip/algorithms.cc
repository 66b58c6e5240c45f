#include "gossip/algorithms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gossip/powergossip.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

using enum AlgorithmKind;
using enum Order;

constexpr AlgorithmTraits mesh_row(AlgorithmKind kind, const char* name, Coding coding,
                                   unsigned parameters = kNoParameters) {
  return {kind, name, adapt_then_combine, coding, parameters, Pace::in_step, Form::mesh};
}

constexpr AlgorithmTraits kAlgorithms[] = {
    {none, "none", either, Coding::raw, kNoParameters, Pace::either},
    {d_psgd, "d-psgd", either, Coding::raw, kRelaxation, Pace::either},
    {powergossip, "powergossip", either, Coding::own, kPowerIteration | kRelaxation, Pace::either},
    {powergossip_exact, "powergossip-exact", adapt_then_combine, Coding::own,
     kPowerIteration | kRelaxation | kGamma},
    {choco, "choco", either, Coding::contractive, kGamma, Pace::either},
    {cold, "cold", adapt_then_combine, Coding::contractive, kGamma | kBeta},
    {dyna_cold, "dyna-cold", adapt_then_combine, Coding::own, kGamma | kRho},
    {lead, "lead", adapt_then_combine, Coding::unbiased, kGamma | kAlpha},
    {def_atc, "def-atc", adapt_then_combine, Coding::any, kGamma | kZeta, Pace::either},
    {actc, "actc", adapt_then_combine, Coding::unbiased, kGamma | kZeta, Pace::either},
    {nids, "nids", adapt_then_combine, Coding::raw, kNoParameters},
    {d2, "d2", adapt_then_combine, Coding::raw, kNoParameters},
    {gradient_tracking, "gradient-tracking", combine_while_adapt, Coding::raw, kNoParameters},
    {deepsqueeze, "deepsqueeze", adapt_then_combine, Coding::contractive, kGamma, Pace::either},
    {beer, "beer", adapt_then_combine, Coding::contractive, kGamma},
    {lessbit, "lessbit", adapt_then_combine, Coding::unbiased, kGamma | kAlpha | kExactStep},
    {moniqua, "moniqua", either, Coding::own, kGamma | kModulo},
    {sgp, "sgp", either, Coding::raw, kNoParameters},
    {ad_psgd, "ad-psgd", combine_while_adapt, Coding::raw, kNoParameters, Pace::independent},
    mesh_row(ef_sgd, "ef-sgd", Coding::contractive),
    mesh_row(doublesqueeze, "doublesqueeze", Coding::contractive),
    mesh_row(ef21, "ef21", Coding::contractive),
    mesh_row(ef21_bc, "ef21-bc", Coding::contractive),
    mesh_row(ef21_sgdm, "ef21-sgdm", Coding::contractive, kEta),
    mesh_row(econtrol, "econtrol", Coding::contractive, kEta),
    mesh_row(diana, "diana", Coding::unbiased, kAlpha | kParticipation),
    mesh_row(dcsgd, "dcsgd", Coding::unbiased, kParticipation),
    mesh_row(cd_adam, "cd-adam", Coding::contractive),
    mesh_row(liec_sgd, "liec-sgd", Coding::contractive, kPeriod),
    mesh_row(birder, "birder", Coding::own),
    mesh_row(one_bit_adam, "one-bit-adam", Coding::contractive, kFreeze),
    mesh_row(zero_one_adam, "zero-one-adam", Coding::contractive, kFreeze | kPeriod),
    mesh_row(sketched_amsgrad, "sketched-amsgrad", Coding::sketch),
    mesh_row(neolithic, "neolithic", Coding::contractive, kRepeats),
    mesh_row(dore, "dore", Coding::unbiased, kAlpha | kBeta | kEta | kParticipation),
    mesh_row(diloco, "diloco", Coding::contractive, kOuter),
    {streaming_diloco, "streaming-diloco", either, Coding::contractive, kOuter | kFragments,
     Pace::in_step, Form::mesh},
};

// The part of ‖x‖² that C surely takes away, as it is (specification §0).
double contraction(const compress::Contract& c) {
  return c.guarantee == compress::Guarantee::contractive ? c.constant
                                                         : std::max(0.0, 1 - c.constant);
}

// What error feedback and references work against in the long run. The duals of COLD take the worst
// case: what it does in one round they integrate (specification §4: sign is the most fragile).
double usual_contraction(AlgorithmKind kind, const compress::Contract& c) {
  const bool dual = kind == cold || kind == lead;
  return c.typical > 0 && !dual ? c.typical : contraction(c);
}

// An operator that loses next to nothing: the method runs as its uncompressed form does.
constexpr double kNearlyExact = 0.9;

// Stability tables of the gossip specification (§4, §5, §7), on the safe side of what was measured.
double default_gamma(AlgorithmKind kind, double delta) {
  const bool exact = delta >= kNearlyExact;
  switch (kind) {
    case choco:
    case cold: return exact ? 1 : 0.4 * std::sqrt(delta);
    case lead: return exact ? 1 : delta / 2;
    case def_atc:
    case actc: return 1;
    case deepsqueeze: return exact ? 1 : delta / 10;
    case beer: return exact ? 0.5 : std::min(0.2, delta);
    case powergossip_exact: return std::min(1.0, 2 * delta);
    case dyna_cold: return 0.3;
    case lessbit: return 0.05;
    default: return 1;
  }
}

// Rounding to few levels is noise of the size of the differences, which a smaller γ averages; of
// QUAD (§0) measured: with 3 bits nothing is lost at γ = 0.75, with 2 at 0.25.
double modulo_gamma(std::size_t bits) { return std::min(1.0, ((1 << (bits - 1)) - 1) / 4.0); }

// Mesh specification §2: beyond twice δ EControl oscillates and then diverges. §7: a tenth of each
// new gradient is enough against the noise of small batches.
//
// §7: an error that DORE feeds back through an unbiased operator grows without bound.
double default_eta(AlgorithmKind kind, double delta) {
  if (kind == dore) return 0;
  return kind == ef21_sgdm ? 0.1 : delta;
}

// Where the loss has no curvature to hold them back, duals that integrate faster than the
// references follow swing with growing amplitude (cold.h). DORE's moves by 1 / (1 + ω) of what is
// told (§7).
double default_beta(AlgorithmKind kind, double damping) {
  if (kind == dore) return damping;
  return damping >= kNearlyExact ? 1 : damping / 2;
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

bool solves_local_problem(const GossipOptions& options) {
  return options.exact_step && traits_of(options.algorithm).takes(kExactStep);
}

const char* name_of(Mode mode) { return mode == Mode::sync ? "sync" : "async"; }

Mode mode_of(const GossipOptions& options) {
  const bool independent = traits_of(options.algorithm).pace == Pace::independent;
  return options.mode.value_or(independent ? Mode::async : Mode::sync);
}

bool overlaps(const GossipOptions& options) {
  if (mode_of(options) == Mode::async) return false;
  const Order order = traits_of(options.algorithm).order;
  return order == Order::either ? options.overlap : order == Order::combine_while_adapt;
}

std::optional<std::string> objection(const GossipOptions& options) {
  const AlgorithmTraits& traits = traits_of(options.algorithm);
  const Mode mode = mode_of(options);
  if (mode == Mode::sync && traits.pace == Pace::independent) {
    return fmt::format("{} has no rounds that nodes go through together; its mode is \"async\"",
                       traits.name);
  }
  if (mode == Mode::sync) return std::nullopt;
  if (traits.pace == Pace::in_step) {
    return fmt::format(
        "{} needs rounds in step; take d-psgd, powergossip, choco, def-atc, actc, deepsqueeze or "
        "ad-psgd, or mode = \"sync\"",
        traits.name);
  }
  if (traits.takes(kPowerIteration) && options.iterations > 1) {
    return fmt::format(
        "the {} iterations of a round need rounds in step; set iterations = 1, or mode = \"sync\"",
        options.iterations);
  }
  return std::nullopt;
}

std::optional<std::string> objection(AlgorithmKind kind, const compress::Contract& contract) {
  using compress::Guarantee;
  const AlgorithmTraits& traits = traits_of(kind);
  const bool unbiased = contract.guarantee == Guarantee::unbiased;
  const bool expands = unbiased && contract.constant >= 1;
  const bool absolute = contract.guarantee == Guarantee::bounded;
  switch (traits.coding) {
    case Coding::contractive:
      if (expands) {
        return fmt::format(
            "{} needs one that contracts, and an unbiased one with omega {:.4g} "
            "expands; take a contractive form of it",
            traits.name, contract.constant);
      }
      if (!absolute) return std::nullopt;
      return fmt::format(
          "{} needs one that contracts, and this one has an error that does not "
          "shrink with what is sent; def-atc takes it",
          traits.name);
    case Coding::unbiased:
      if (unbiased || contraction(contract) >= kNearlyExact) return std::nullopt;
      return fmt::format("{} needs an unbiased one", traits.name);
    case Coding::any:
      if (!expands) return std::nullopt;
      return fmt::format(
          "error feedback amplifies an unbiased one with omega {:.4g} without bound "
          "(measured at every zeta and gamma); take a contractive form of it, or actc",
          contract.constant);
    case Coding::raw:
    case Coding::sketch:
    case Coding::own: break;
  }
  return std::nullopt;
}

bool takes_directed(AlgorithmKind kind) { return kind == sgp || kind == none; }

std::optional<std::string> objection(AlgorithmKind kind, const Topology& topology) {
  if (kind != d2) return std::nullopt;
  const double lambda_n = topology.spectrum().lambda_n;
  if (lambda_n > -1.0 / 3 + 1e-9) return std::nullopt;
  return fmt::format(
      "d2 needs mixing weights whose smallest eigenvalue is above -1/3, and this "
      "graph has {:.4f}; take nids, which runs on every graph",
      lambda_n);
}

compress::Contract coding_contract(const GossipOptions& options, const TensorLayout& layout,
                                   const compress::Compressor* compressor) {
  if (compressor) return compressor->contract(layout.size());
  if (!traits_of(options.algorithm).takes(kPowerIteration)) {
    return {compress::Guarantee::contractive, 1};
  }
  return {compress::Guarantee::contractive,
          captured_share(layout, options.rank, options.iterations)};
}

GossipOptions with_defaults(GossipOptions options, const compress::Contract& contract) {
  const AlgorithmTraits& traits = traits_of(options.algorithm);
  const double delta = usual_contraction(options.algorithm, contract);
  // An unbiased operator may expand; what damps it is 1 / (1 + ω).
  const bool unbiased = contract.guarantee == compress::Guarantee::unbiased;
  const double damping = unbiased ? 1 / (1 + contract.constant) : delta;
  if (traits.takes(kModulo) && !options.gamma) options.gamma = modulo_gamma(options.bits);
  if (solves_local_problem(options) && !options.gamma) options.gamma = std::min(0.6, 1.2 * damping);
  if (traits.takes(kGamma) && !options.gamma) options.gamma = default_gamma(traits.kind, damping);
  if (traits.takes(kZeta) && !options.zeta) options.zeta = default_zeta(damping);
  if (traits.takes(kAlpha) && !options.alpha) options.alpha = damping;
  if (traits.takes(kBeta) && !options.beta) options.beta = default_beta(traits.kind, damping);
  if (traits.takes(kRho) && !options.rho) options.rho = 0.97;
  // The feedback integrates: it takes the worst case of the operator.
  if (traits.takes(kEta) && !options.eta)
    options.eta = default_eta(traits.kind, contraction(contract));
  return options;
}

}  // namespace starling::gossip
