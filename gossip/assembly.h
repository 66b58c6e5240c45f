// From the run file's words to an algorithm. Adding one takes its file and a line here.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "compress/budget.h"
#include "compress/compressor.h"
#include "gossip/algorithm.h"
#include "gossip/common.h"
#include "gossip/options.h"
#include "gossip/topology.h"
#include "protocol/tensor_layout.h"

namespace starling::gossip {

// The neighbors that a node of this algorithm talks to, ascending; none for `none`.
std::vector<NodeId> partners(const GossipOptions& options, const Topology& topology, NodeId self);

// What one message of an operator is of: the model, or in a mesh the longest shard.
TensorLayout coded_layout(const GossipOptions& options, const Topology& topology,
                          const TensorLayout& layout);

struct AlgorithmInputs {
  const Topology& topology;
  const TensorLayout& layout;
  std::span<const float> start;  // copied
  // The run's start model, equal on all nodes: what neighbors know of each other to begin with.
  Common common;
  NodeId self;
  std::uint64_t seed;
  // Of the methods that take one, for vectors of coded_layout(); the second one of those of a mesh,
  // for what owners tell.
  std::unique_ptr<compress::Compressor> compressor = nullptr, second = nullptr;
  Round rounds = std::numeric_limits<Round>::max();  // of the run
  // What the compressors refer to where their messages follow a budget; its links are partners().
  std::unique_ptr<compress::Budget> budget = nullptr;
};

std::unique_ptr<Algorithm> make_algorithm(const GossipOptions& options, AlgorithmInputs inputs);

}  // namespace starling::gossip
