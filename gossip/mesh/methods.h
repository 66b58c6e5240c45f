// The methods of a mesh: which legs each is made of.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "gossip/common.h"
#include "gossip/method.h"
#include "gossip/options.h"

namespace starling::gossip {

struct MeshMethodInputs {
  std::span<const float> start;  // copied
  Common common;
  std::vector<EdgeEnd> edges;
  std::vector<NodeId> present;  // all nodes, ascending
  NodeId self;
  std::uint64_t seed;
  // One for each leg, of the same operator, for vectors of every size; none where the method has
  // its own.
  std::unique_ptr<compress::Compressor> up, down;
};

//               up leg                      down leg               what is told back
// ef-sgd        error feedback              the mean               d / n floats
// doublesqueeze error feedback              error feedback         compressed
// neolithic     error feedback, C repeated  the same               compressed
// ef21          shift                       the mean               d / n floats
// ef21-bc       shift                       shift                  compressed
// ef21-sgdm     shift of the momentum       error feedback         compressed
// econtrol      shift with feedback         error feedback         compressed
// diana         shift by α                  the mean               d / n floats
// dore          shift by α                  feedback by η, step β  compressed
// dcsgd         nothing kept                the mean               d / n floats
// cd-adam       shift                       shift, then AMSGrad    compressed
//
// and those with files of their own: liec-sgd (liec.h), birder, one-bit-adam, zero-one-adam,
// sketched-amsgrad, and both forms of diloco.
//
// EF21-SGDM and EControl are published with the mean on the way back; plain error feedback there
// measured the same at a fraction of the bytes (specification §12).
//
// `options` with its defaults set.
std::unique_ptr<Method> make_mesh_method(const GossipOptions& options, MeshMethodInputs inputs);

// Whether its owners tell the mean as it is.
bool tells_the_mean(AlgorithmKind kind);

}  // namespace starling::gossip
