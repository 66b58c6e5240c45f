#include "gossip/assembly.h"

#include "gossip/d_psgd.h"
#include "gossip/powergossip.h"
#include "gossip/rounds.h"

namespace starling::gossip {
namespace {

std::unique_ptr<Method> make_method(const GossipOptions& options, const AlgorithmInputs& inputs,
                                    const std::vector<EdgeEnd>& edges) {
  switch (options.algorithm) {
    case AlgorithmKind::none:  // D-PSGD of a node without neighbors
    case AlgorithmKind::d_psgd: return make_d_psgd(inputs.start, edges, options.relaxation);
    case AlgorithmKind::powergossip:
      return make_powergossip(inputs.start, inputs.layout, edges,
                              {.rank = options.rank,
                               .iterations = static_cast<std::uint32_t>(options.iterations),
                               .relaxation = options.relaxation,
                               .seed = inputs.seed});
  }
  return nullptr;
}

}  // namespace

std::vector<NodeId> partners(const GossipOptions& options, const Topology& topology, NodeId self) {
  if (options.algorithm == AlgorithmKind::none) return {};
  return topology.neighbors(self);
}

std::unique_ptr<Algorithm> make_algorithm(const GossipOptions& options,
                                          const AlgorithmInputs& inputs) {
  std::vector<EdgeEnd> edges;
  for (const NodeId peer : partners(options, inputs.topology, inputs.self)) {
    edges.push_back({inputs.self, peer, inputs.topology.weight(inputs.self, peer)});
  }
  return std::make_unique<Rounds>(make_method(options, inputs, edges), edges, options.overlap);
}

}  // namespace starling::gossip
