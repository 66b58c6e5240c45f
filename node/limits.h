// What [limits] may say, so that a link is slow and not dead.
#pragma once

#include "node/run.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::node {

// Bytes a second that a link must be left with: twice what counts as silence (peer/limits.h).
inline constexpr double kLinkRateMin = 8000;

// Fails with ErrorCode::config where a limit of all links leaves each less than that.
Result<void> check_limits(const Run& run, NodeId self);

}  // namespace starling::node
