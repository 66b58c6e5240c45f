// What the methods of a mesh need of a run.
#pragma once

#include "node/run.h"
#include "protocol/result.h"

namespace starling::node {

// Where the algorithm is not one of a mesh it may not take what only those know. Fails with
// ErrorCode::config: a pair of nodes without a link, an operator that codes tensors, options that
// make no method, or data that it is known not to converge on (unless [gossip] allow_unproven).
Result<void> check_mesh(const Run& run);

}  // namespace starling::node
