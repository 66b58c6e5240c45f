// One end of an edge with whatever algorithm a byte chooses, for the targets that drive it.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "compress/count_sketch.h"
#include "compress/quantize.h"
#include "compress/sign.h"
#include "gossip/assembly.h"
#include "protocol/random.h"

namespace starling::fuzz {

inline constexpr std::array kAlgorithms{
    gossip::AlgorithmKind::d_psgd,        gossip::AlgorithmKind::powergossip,
    gossip::AlgorithmKind::choco,         gossip::AlgorithmKind::cold,
    gossip::AlgorithmKind::dyna_cold,     gossip::AlgorithmKind::def_atc,
    gossip::AlgorithmKind::moniqua,       gossip::AlgorithmKind::sgp,
    gossip::AlgorithmKind::ad_psgd,       gossip::AlgorithmKind::beer,
    gossip::AlgorithmKind::deepsqueeze,   gossip::AlgorithmKind::powergossip_exact,
    gossip::AlgorithmKind::ef21_bc,       gossip::AlgorithmKind::econtrol,
    gossip::AlgorithmKind::cd_adam,       gossip::AlgorithmKind::liec_sgd,
    gossip::AlgorithmKind::birder,        gossip::AlgorithmKind::one_bit_adam,
    gossip::AlgorithmKind::zero_one_adam, gossip::AlgorithmKind::sketched_amsgrad,
    gossip::AlgorithmKind::neolithic,     gossip::AlgorithmKind::streaming_diloco,
};

// A matrix and what is none; nodes 0 and 1 of a path of two.
class Pair {
 public:
  explicit Pair(gossip::AlgorithmKind kind)
      : topology_(*gossip::Topology::make(
            {.kind = gossip::TopologyKind::path, .nodes = 2, .degree = 0, .edges = {}}, 1)) {
    layout_.add("weight", {3, 2});
    layout_.add("bias", {2});
    common_.resize(layout_.size());
    for (std::size_t node = 0; node < starts_.size(); ++node) {
      starts_[node].resize(layout_.size());
      Random(3, Stream::test, {node}).fill_normal(starts_[node]);
    }
    options_.algorithm = kind;
    // Small enough that no input makes them diverge.
    options_.gamma = 0.25;
    options_.theta = 100;
    options_.freeze = 2;
    options_.period = 2;
  }

  // Made once: an input begins at its two ends.
  static const Pair& of(std::size_t kind) {
    static std::array<std::unique_ptr<const Pair>, kAlgorithms.size()> all;
    if (!all[kind]) all[kind] = std::make_unique<Pair>(kAlgorithms[kind]);
    return *all[kind];
  }

  std::unique_ptr<gossip::Algorithm> make(std::size_t node) const {
    return gossip::make_algorithm(options_, {topology_, layout_, starts_[node], common_,
                                             node_id(node), 7, compressor(), compressor()});
  }

 private:
  std::unique_ptr<compress::Compressor> compressor() const {
    switch (options_.algorithm) {
      case gossip::AlgorithmKind::ef_sgd:
      case gossip::AlgorithmKind::doublesqueeze:
      case gossip::AlgorithmKind::ef21:
      case gossip::AlgorithmKind::ef21_bc:
      case gossip::AlgorithmKind::ef21_sgdm:
      case gossip::AlgorithmKind::econtrol:
      case gossip::AlgorithmKind::cd_adam:
      case gossip::AlgorithmKind::liec_sgd:
      case gossip::AlgorithmKind::one_bit_adam:
      case gossip::AlgorithmKind::zero_one_adam:
      case gossip::AlgorithmKind::neolithic:
      case gossip::AlgorithmKind::diloco:
      case gossip::AlgorithmKind::streaming_diloco:
      case gossip::AlgorithmKind::choco:
      case gossip::AlgorithmKind::beer:
        return std::make_unique<compress::Sign>(compress::Norm::l1, 0);
      case gossip::AlgorithmKind::sketched_amsgrad:
        return std::make_unique<compress::CountSketch>(
            compress::CountSketchOptions{.rows = 1, .width = 16, .keep = 2});
      case gossip::AlgorithmKind::diana:
      case gossip::AlgorithmKind::dore:
      case gossip::AlgorithmKind::dcsgd:
      case gossip::AlgorithmKind::cold:
      case gossip::AlgorithmKind::dyna_cold:
      case gossip::AlgorithmKind::lead:
      case gossip::AlgorithmKind::lessbit:
      case gossip::AlgorithmKind::actc:
      case gossip::AlgorithmKind::def_atc:
      case gossip::AlgorithmKind::deepsqueeze:
        return std::make_unique<compress::Quantize>(compress::QuantizeParams{.bits = 8});
      default: return nullptr;
    }
  }

  gossip::Topology topology_;
  TensorLayout layout_;
  std::vector<float> common_;
  std::array<std::vector<float>, 2> starts_;
  gossip::GossipOptions options_;
};

}  // namespace starling::fuzz
