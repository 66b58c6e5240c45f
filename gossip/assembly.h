// From the run file's words to an algorithm. Adding one takes its file and a line here.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "gossip/algorithm.h"
#include "gossip/common.h"
#include "gossip/options.h"
#include "gossip/topology.h"
#include "protocol/tensor_layout.h"

namespace starling::gossip {

// The neighbors that a node of this algorithm talks to, ascending; none for `none`.
std::vector<NodeId> partners(const GossipOptions& options, const Topology& topology, NodeId self);

struct AlgorithmInputs {
  const Topology& topology;
  const TensorLayout& layout;
  std::span<const float> start;  // copied
  // The run's start model, equal on all nodes: what neighbors know of each other to begin with.
  Common common;
  NodeId self;
  std::uint64_t seed;
  std::unique_ptr<compress::Compressor> compressor = nullptr;  // of the methods that take one
  Round rounds = std::numeric_limits<Round>::max();            // of the run
};

std::unique_ptr<Algorithm> make_algorithm(const GossipOptions& options, AlgorithmInputs inputs);

}  // namespace starling::gossip
