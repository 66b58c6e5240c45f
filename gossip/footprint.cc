#include "gossip/footprint.h"

#include <algorithm>

#include "compress/identity.h"
#include "gossip/algorithms.h"
#include "gossip/replicas.h"

namespace starling::gossip {
namespace {

// In vectors of d floats.
struct Vectors {
  std::uint64_t node = 0;  // beside the model
  std::uint64_t edge = 0;  // of each
  std::uint64_t logs = 0;  // Replicas of the node
  bool keeps_few = false;  // kept references are limited (Method::relieve)
};

Vectors vectors_of(AlgorithmKind kind) {
  switch (kind) {
    case AlgorithmKind::none:
    case AlgorithmKind::d_psgd:
    case AlgorithmKind::ad_psgd: return {};
    case AlgorithmKind::sgp:
    case AlgorithmKind::moniqua: return {.node = 1};
    case AlgorithmKind::gradient_tracking: return {.node = 2};
    case AlgorithmKind::nids:
    case AlgorithmKind::d2: return {.edge = 1};
    case AlgorithmKind::powergossip: return {};
    case AlgorithmKind::powergossip_exact: return {.edge = 2};
    // A reference and work memory; a replica of each neighbor.
    case AlgorithmKind::choco:
    case AlgorithmKind::actc: return {.node = 2, .edge = 1, .logs = 1, .keeps_few = true};
    case AlgorithmKind::def_atc: return {.node = 3, .edge = 1, .logs = 1, .keeps_few = true};
    case AlgorithmKind::deepsqueeze: return {.node = 4};
    // A replica and a dual of each neighbor.
    case AlgorithmKind::cold:
    case AlgorithmKind::dyna_cold:
    case AlgorithmKind::lead: return {.node = 2, .edge = 2, .logs = 1, .keeps_few = true};
    case AlgorithmKind::lessbit: return {.node = 3, .edge = 2, .logs = 1, .keeps_few = true};
    case AlgorithmKind::beer: return {.node = 5, .edge = 2, .logs = 2, .keeps_few = true};
    // Of a mesh, beside a few shards (footprint_of_mesh).
    case AlgorithmKind::dcsgd: return {};
    case AlgorithmKind::ef_sgd:
    case AlgorithmKind::doublesqueeze: return {.node = 1};
    case AlgorithmKind::ef21:
    case AlgorithmKind::diana:
    case AlgorithmKind::birder:
    case AlgorithmKind::liec_sgd:
    case AlgorithmKind::neolithic: return {.node = 2};
    case AlgorithmKind::ef21_sgdm:
    case AlgorithmKind::ef21_bc:
    case AlgorithmKind::econtrol:
    case AlgorithmKind::one_bit_adam:
    case AlgorithmKind::dore: return {.node = 3};
    case AlgorithmKind::sketched_amsgrad:
    case AlgorithmKind::diloco:
    case AlgorithmKind::streaming_diloco: return {.node = 4};
    case AlgorithmKind::zero_one_adam: return {.node = 5};
    case AlgorithmKind::cd_adam: return {.node = 6};
  }
  return {};
}

std::uint64_t factor_bytes(const TensorLayout& layout, std::uint64_t rank) {
  std::uint64_t floats = 0;
  for (const Tensor& t : layout.tensors()) {
    floats += t.is_matrix() ? rank * std::max(t.shape[0], t.size() / t.shape[0]) : t.size();
  }
  return floats * sizeof(float);
}

std::uint64_t body_bytes(const GossipOptions& options, const TensorLayout& layout,
                         const compress::Compressor* compressor) {
  if (compressor) return compressor->encoded_bytes_max(layout.size());
  switch (options.algorithm) {
    case AlgorithmKind::none: return 0;
    case AlgorithmKind::powergossip:
    case AlgorithmKind::powergossip_exact: return factor_bytes(layout, options.rank);
    case AlgorithmKind::moniqua: return (layout.size() * options.bits + 7) / 8;
    case AlgorithmKind::dyna_cold: return layout.size() / 8 + 64;
    default: return layout.size() * sizeof(float);
  }
}

// Vectors of d floats that all nodes hold alike (DownLeg::common), at most.
std::uint64_t common_of(AlgorithmKind kind) {
  switch (kind) {
    case AlgorithmKind::ef21_bc: return 2;
    case AlgorithmKind::one_bit_adam:
    case AlgorithmKind::zero_one_adam: return 3;
    case AlgorithmKind::cd_adam: return 5;
    default: return 1;
  }
}

// A piece to every owner and one to itself; then a message to all, with what is common in front of
// it where a neighbor has missed something: written once for all, and received from each. Either
// may be raw floats, in some rounds or in all.
Footprint footprint_of_mesh(const GossipOptions& options, const TensorLayout& layout,
                            std::size_t degree, const compress::Compressor* compressor) {
  const std::uint64_t model = layout.size() * sizeof(float);
  const std::uint64_t shard = layout.size() / (degree + 1) + 1;
  const std::uint64_t shard_bytes = shard * sizeof(float);
  std::uint64_t told = compress::Identity().encoded_bytes_max(shard);
  const std::uint64_t times = options.algorithm == AlgorithmKind::neolithic ? options.repeats : 1;
  if (compressor)
    told = std::max<std::uint64_t>(told, times * compressor->encoded_bytes_max(shard));
  const std::uint64_t started = common_of(options.algorithm) * shard_bytes;
  // The sum and the mean of what came, the owner's error, a piece and its scales, and the work
  // memory of each leg's coder.
  constexpr std::uint64_t kShards = 7;
  return {.model = model,
          .node = vectors_of(options.algorithm).node * model + kShards * shard_bytes,
          .messages = (degree + 1) * (3 * told + started) + started};
}

}  // namespace

Footprint footprint_of(const GossipOptions& options, const TensorLayout& layout, std::size_t degree,
                       const compress::Compressor* compressor) {
  if (traits_of(options.algorithm).is_mesh()) {
    return footprint_of_mesh(options, layout, degree, compressor);
  }
  const std::uint64_t model = layout.size() * sizeof(float);
  const Vectors vectors = vectors_of(options.algorithm);
  const std::uint64_t body = body_bytes(options, layout, compressor);
  const bool has_replicas = vectors.logs > 0;
  Footprint out{
      .model = model, .node = vectors.node * model, .edges = vectors.edge * degree * model};
  if (vectors.keeps_few) {
    // Asynchronous gossip has every exchange made up for later.
    const std::uint64_t most = mode_of(options) == Mode::async ? degree : Replicas::kept_max(model);
    out.edges += std::min<std::uint64_t>(degree, most) * model;
  }
  out.log = vectors.logs * std::min(Replicas::log_bytes_max(model), model);
  // Work memory of coder and operator.
  if (compressor) out.node += 2 * body;
  if (!compressor && has_replicas) out.node += body;
  // On each edge that broke in an exchange of its own our last message and the one under way; the
  // neighbor's, one of them ahead.
  out.messages = 4 * degree * body;
  // A neighbor that comes back with another history is told the reference, and tells its own.
  if (has_replicas) out.messages += 2 * degree * model;
  return out;
}

}  // namespace starling::gossip
