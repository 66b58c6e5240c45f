// What the run file says of the topology and the gossip algorithm. The loader in node/ fills these.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace starling::gossip {

enum class TopologyKind {
  ring,
  torus,        // a × b with a·b = nodes, as square as possible, both sides at least 3
  exponential,  // undirected, hops 1, 2, 4 …
  complete,
  star,  // node 0 is the centre
  path,
  random_regular,        // of `degree`
  edges,                 // as listed
  one_peer_exponential,  // directed: in round r to the node 2^(r mod ⌈log2 n⌉) further on
  directed_edges,        // as listed, each from its first node to its second
};

struct TopologyOptions {
  TopologyKind kind = TopologyKind::ring;
  std::size_t nodes = 0;                                        // those that have left included
  std::size_t degree = 0;                                       // random-regular only
  std::vector<std::pair<std::size_t, std::size_t>> edges = {};  // edges and directed-edges only
  // Numbers, ascending, of nodes that are no part of the graph any more. The others keep theirs,
  // for random keys, ledgers and shares of the data go by them.
  std::vector<std::size_t> left = {};
};

enum class AlgorithmKind {
  none,
  d_psgd,
  powergossip,
  powergossip_exact,
  choco,
  cold,
  dyna_cold,
  lead,
  def_atc,
  actc,
  nids,
  d2,
  gradient_tracking,
  deepsqueeze,
  beer,
  lessbit,
  moniqua,
  sgp,
  ad_psgd,
  // In a mesh (mesh/methods.h).
  ef_sgd,
  doublesqueeze,
  ef21,
  ef21_bc,
  ef21_sgdm,
  econtrol,
  diana,
  dcsgd,
  cd_adam,
  liec_sgd,
  birder,
  one_bit_adam,
  zero_one_adam,
  sketched_amsgrad,
  neolithic,
  dore,
  diloco,
  streaming_diloco,
};

const char* name_of(AlgorithmKind kind);  // as in the run file; algorithms.cc

enum class Mode {
  sync,   // nodes go through rounds together
  async,  // nobody waits, up to a bound on staleness
};
const char* name_of(Mode mode);  // as in the run file; algorithms.cc

struct GossipOptions {
  AlgorithmKind algorithm = AlgorithmKind::powergossip;
  // Unset: as the algorithm has it; sync for those that know both.
  std::optional<Mode> mode = std::nullopt;
  // async: rounds that an exchange may be under way before a node waits for the neighbor.
  std::size_t staleness = 4;
  // powergossip. Rank of one exchange, and exchanges (power iterations) a round: more of either
  // mix better and send more; iterations also cost a network delay each.
  std::size_t rank = 1;
  std::size_t iterations = 1;
  // Whether the exchanges of a round run on the model before its local step (combine while adapt,
  // so that the network works while the gradient is computed) or after it (adapt then combine).
  bool overlap = true;
  // s in x <- x + s(W - I)x. Unset: 1. The loader turns "optimal" into 2/(2 - λ2 - λn).
  double relaxation = 1;
  // Of the compressed methods, each named as in its header; unset: derived from the compressor and
  // the graph (defaults.h).
  std::optional<double> gamma = std::nullopt, zeta = std::nullopt, alpha = std::nullopt,
                        beta = std::nullopt, rho = std::nullopt, eta = std::nullopt;
  // liec-sgd: rounds from one average to the next. zero-one-adam: local steps from one exchange to
  // the next, at most.
  std::size_t period = 16;
  // one-bit-adam, zero-one-adam: rounds in which the variance is learned.
  std::size_t freeze = 100;
  // neolithic: messages that a leg is made of, each of what those before have left.
  std::size_t repeats = 2;
  // diloco, streaming-diloco: the outer optimizer; and parts of the model, one of which a round is
  // about.
  double outer_rate = 0.7, outer_momentum = 0.9;
  std::size_t fragments = 4;
  double blend = 0.5;  // streaming-diloco: how much of what a node did alone it keeps
  // dcsgd, diana, dore: of each node, how many of its rounds it takes part in; empty: all. With
  // `by_uptime` owners weigh by what came of each instead (mesh/participation.h).
  std::vector<double> participation = {};
  bool by_uptime = false;
  // moniqua: the bound on how far neighbors' models are apart in a coordinate, and the bits of one.
  double theta = 1;
  std::size_t bits = 8;
  // Exchanges are clipped (clipping.h), [robust] in the run file.
  bool clip = false;
  // lessbit: the local problem is solved in place of a gradient step (option A).
  bool exact_step = false;
  // Runs a pair of algorithm and operator, or graph, that theory does not admit.
  bool allow_unproven = false;
};

}  // namespace starling::gossip
