// The runs of one call: a run file, and what `compare` and `--sweep` make of it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/options.h"
#include "node/config.h"
#include "protocol/result.h"

namespace starling::daemon {

struct Variant {
  std::string label;    // "choco", "gossip.gamma=0.1", "choco gossip.gamma=0.1"
  node::Config config;  // with the algorithm to run
  bool own = true;      // the run file's algorithm: its report stands for the call
  // Variants of the same number have graph, data and model in common.
  std::size_t problem = 0;
};

// The file's own algorithm, or each of [run] compare.
std::vector<Variant> compared(const node::Config& config);

struct VariantOptions {
  std::string compare;  // "choco,cold": in place of [run] compare; empty: as the file says
  std::string sweep;    // "gossip.gamma=0.1,1": each value as by --set; empty: none
};

// Every algorithm with every value. Fails with ErrorCode::config where --set would.
Result<std::vector<Variant>> variants_of(const RunFileOptions& run_file,
                                         const VariantOptions& options);

}  // namespace starling::daemon
