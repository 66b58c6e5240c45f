// The table of algorithms: what the run file calls each, and what goes with it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "compress/compressor.h"
#include "gossip/options.h"
#include "gossip/topology.h"
#include "protocol/tensor_layout.h"

namespace starling::gossip {

// When the exchanges of a round run.
enum class Order {
  either,               // as [gossip] overlap says
  adapt_then_combine,   // after the local step
  combine_while_adapt,  // on the model before it
};

// Whether its nodes have to be in the same round.
enum class Pace {
  in_step,      // mode = "sync" only
  either,       // as [gossip] mode says
  independent,  // mode = "async" only
};

// What codes the messages.
enum class Coding {
  raw,          // float32 as it is
  own,          // factors or bits of the algorithm's own making
  contractive,  // an operator of [compress] that contracts
  unbiased,     // … that is unbiased
  any,          // … with any contract, also an absolute error
  sketch,       // … that is a Count-Sketch
};

// Keys of [gossip] that an algorithm takes, or-ed.
enum Parameters : unsigned {
  kNoParameters = 0,
  kGamma = 1,
  kZeta = 2,
  kAlpha = 4,
  kPowerIteration = 8,  // rank, iterations
  kRelaxation = 16,
  kRho = 32,
  kModulo = 64,  // theta, bits
  kExactStep = 128,
  kBeta = 256,
  kEta = 512,
  kPeriod = 1024,
  kFreeze = 2048,
  kRepeats = 4096,
  kOuter = 8192,           // outer_rate, outer_momentum
  kFragments = 16384,      // fragments, blend
  kParticipation = 32768,  // participation, by_uptime
};

// How the nodes reach each other in a round.
enum class Form {
  edges,  // each node mixes with its neighbors
  mesh,   // every node owns a shard, and all reach all (mesh/mesh.h)
};

struct AlgorithmTraits {
  AlgorithmKind kind;
  const char* name;
  Order order;
  Coding coding;
  unsigned parameters;
  Pace pace = Pace::in_step;
  Form form = Form::edges;

  bool is_mesh() const { return form == Form::mesh; }
  // Whether its messages are those of an operator of [compress].
  bool takes_operator() const { return coding != Coding::raw && coding != Coding::own; }
  bool takes(Parameters parameter) const { return (parameters & parameter) != 0; }
};

std::span<const AlgorithmTraits> all_algorithms();
const AlgorithmTraits& traits_of(AlgorithmKind kind);

// Whether local steps are to solve the local problem (Algorithm::slope).
bool solves_local_problem(const GossipOptions& options);

// Why theory does not admit an operator of this contract under this algorithm, as the end of a
// sentence: "choco needs one that contracts, and an unbiased one with omega 1 or more expands".
std::optional<std::string> objection(AlgorithmKind kind, const compress::Contract& contract);

// The mode that these options mean.
Mode mode_of(const GossipOptions& options);

// Whether the local step of a round is taken into the model at its end, behind the exchanges.
bool overlaps(const GossipOptions& options);

// Why the algorithm does not run in the mode that was asked for, if so, as the end of a sentence.
std::optional<std::string> objection(const GossipOptions& options);

// Whether the algorithm runs on a directed graph: it needs no weights that are the same both ways.
bool takes_directed(AlgorithmKind kind);

// Why the algorithm does not converge on this graph, which it takes, if so.
std::optional<std::string> objection(AlgorithmKind kind, const Topology& topology);

// What `with_defaults` may assume of the messages: the operator's contract, or for low-rank factors
// the share that they carry; exact for algorithms that send raw values.
compress::Contract coding_contract(const GossipOptions& options, const TensorLayout& layout,
                                   const compress::Compressor* compressor);

// `options` with gamma, zeta, alpha, beta and rho set where the algorithm takes them: what was
// given, or else a value that is stable by the specification's tables for messages of this
// contract.
GossipOptions with_defaults(GossipOptions options, const compress::Contract& contract);

}  // namespace starling::gossip
