#include "gossip/assembly.h"

#include "gossip/algorithms.h"
#include "gossip/async_gossip.h"
#include "gossip/beer.h"
#include "gossip/budgeted.h"
#include "gossip/choco.h"
#include "gossip/clipping.h"
#include "gossip/cold.h"
#include "gossip/d_psgd.h"
#include "gossip/deepsqueeze.h"
#include "gossip/def.h"
#include "gossip/gradient_tracking.h"
#include "gossip/lessbit.h"
#include "gossip/mesh/methods.h"
#include "gossip/mesh/shards.h"
#include "gossip/moniqua.h"
#include "gossip/nids.h"
#include "gossip/powergossip.h"
#include "gossip/rounds.h"
#include "gossip/sgp.h"

namespace starling::gossip {
namespace {

using Ends = std::vector<EdgeEnd>;

// AD-PSGD: the two of a pair become their mean.
void halve(Ends& edges) {
  for (EdgeEnd& end : edges) end.terms = {.weight = 0.5};
}

std::optional<Clipping> clipping_of(const GossipOptions& options, const Ends& edges) {
  if (!options.clip) return std::nullopt;
  const bool has_gamma = traits_of(options.algorithm).takes(kGamma);
  return Clipping(edges.size(), has_gamma ? options.gamma.value() : options.relaxation);
}

// What the node hands to each neighbor, for all rounds until it repeats.
std::vector<std::vector<double>> shares_of(const Topology& topology, const Ends& edges) {
  std::vector<std::vector<double>> shares;
  for (const EdgeEnd& edge : edges) {
    std::vector<double>& turns = shares.emplace_back();
    for (Round round = 0; round < topology.period(); ++round) {
      turns.push_back(topology.share(edge.self, edge.peer, round));
    }
  }
  return shares;
}

std::unique_ptr<Method> make_uncompressed(const GossipOptions& options,
                                          const AlgorithmInputs& inputs, const Ends& edges) {
  switch (options.algorithm) {
    case AlgorithmKind::powergossip:
    case AlgorithmKind::powergossip_exact:
      return make_powergossip(inputs.start, inputs.layout, edges,
                              {.rank = options.rank,
                               .iterations = static_cast<std::uint32_t>(options.iterations),
                               .seed = inputs.seed,
                               .exact_gamma = options.gamma});
    case AlgorithmKind::nids: return make_nids(inputs.start, edges, {.factor = 0.5});
    case AlgorithmKind::d2: return make_nids(inputs.start, edges, {.factor = 1});
    case AlgorithmKind::gradient_tracking: return make_gradient_tracking(inputs.start);
    case AlgorithmKind::moniqua:
      return make_moniqua(inputs.start, {.theta = options.theta,
                                         .bits = static_cast<unsigned>(options.bits),
                                         .gamma = options.gamma.value(),
                                         .seed = inputs.seed});
    case AlgorithmKind::sgp:
      return std::make_unique<Sgp>(inputs.start, shares_of(inputs.topology, edges),
                                   inputs.topology.nodes());
    default:  // d-psgd; ad-psgd on its pairs; none: D-PSGD of a node without neighbors
      return make_d_psgd(inputs.start, clipping_of(options, edges));
  }
}

std::unique_ptr<Method> make_compressed(const GossipOptions& options, CompressedInputs in) {
  const double gamma = options.gamma.value(), zeta = options.zeta.value_or(1),
               alpha = options.alpha.value_or(1);
  switch (options.algorithm) {
    case AlgorithmKind::choco: return make_choco(std::move(in), {gamma});
    case AlgorithmKind::cold:
    case AlgorithmKind::lead:
      return make_cold(std::move(in),
                       {.gamma = gamma, .alpha = alpha, .beta = options.beta.value_or(1)});
    case AlgorithmKind::dyna_cold: return make_dyna_cold(std::move(in), {gamma, *options.rho});
    case AlgorithmKind::def_atc: return make_def(std::move(in), {gamma, zeta, true});
    case AlgorithmKind::actc: return make_def(std::move(in), {gamma, zeta, false});
    case AlgorithmKind::deepsqueeze: return make_deepsqueeze(std::move(in), {gamma});
    case AlgorithmKind::beer: return make_beer(std::move(in), {gamma});
    case AlgorithmKind::lessbit:
      return make_lessbit(std::move(in), {gamma, alpha, options.exact_step});
    default: return nullptr;
  }
}

std::unique_ptr<Method> make_method(const GossipOptions& given, AlgorithmInputs inputs,
                                    const Ends& edges) {
  const TensorLayout coded = coded_layout(given, inputs.topology, inputs.layout);
  const GossipOptions options =
      with_defaults(given, coding_contract(given, coded, inputs.compressor.get()));
  if (traits_of(options.algorithm).is_mesh()) {
    return make_mesh_method(options, {.start = inputs.start,
                                      .common = std::move(inputs.common),
                                      .edges = edges,
                                      .present = inputs.topology.present(),
                                      .self = inputs.self,
                                      .seed = inputs.seed,
                                      .up = std::move(inputs.compressor),
                                      .down = std::move(inputs.second)});
  }
  if (!inputs.compressor && options.algorithm != AlgorithmKind::dyna_cold) {
    return make_uncompressed(options, inputs, edges);
  }
  return make_compressed(options, {.start = inputs.start,
                                   .common = std::move(inputs.common),
                                   .edges = edges,
                                   .compressor = std::move(inputs.compressor),
                                   .self = inputs.self,
                                   .seed = inputs.seed,
                                   .clipping = clipping_of(options, edges)});
}

}  // namespace

std::vector<NodeId> partners(const GossipOptions& options, const Topology& topology, NodeId self) {
  if (options.algorithm == AlgorithmKind::none) return {};
  return topology.neighbors(self);
}

TensorLayout coded_layout(const GossipOptions& options, const Topology& topology,
                          const TensorLayout& layout) {
  if (!traits_of(options.algorithm).is_mesh()) return layout;
  TensorLayout shard;
  shard.add("shard", {Shards(layout.size(), topology.present().size()).longest()});
  return shard;
}

namespace {

std::unique_ptr<Algorithm> make_unbudgeted(const GossipOptions& options, AlgorithmInputs inputs) {
  Ends edges;
  for (const NodeId peer : partners(options, inputs.topology, inputs.self)) {
    const double weight = inputs.topology.weight(inputs.self, peer);
    edges.push_back({inputs.self, peer, {weight, options.relaxation}});
  }
  const bool pairs = options.algorithm == AlgorithmKind::ad_psgd;
  if (pairs) halve(edges);
  if (mode_of(options) == Mode::async) {
    using Asks = AsyncOptions::Asks;
    const AsyncOptions async{.asks = pairs ? Asks::one : Asks::everyone,
                             .staleness = options.staleness,
                             .rounds = inputs.rounds,
                             .seed = inputs.seed,
                             .self = inputs.self};
    return std::make_unique<AsyncGossip>(make_method(options, std::move(inputs), edges), edges,
                                         async);
  }
  return std::make_unique<Rounds>(make_method(options, std::move(inputs), edges), edges,
                                  overlaps(options));
}

}  // namespace

std::unique_ptr<Algorithm> make_algorithm(const GossipOptions& options, AlgorithmInputs inputs) {
  std::unique_ptr<compress::Budget> budget = std::move(inputs.budget);
  std::vector<NodeId> peers = partners(options, inputs.topology, inputs.self);
  std::unique_ptr<Algorithm> algorithm = make_unbudgeted(options, std::move(inputs));
  if (!budget) return algorithm;
  return std::make_unique<Budgeted>(std::move(budget), std::move(peers), std::move(algorithm));
}

}  // namespace starling::gossip
