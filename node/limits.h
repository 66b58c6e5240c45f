// What [limits] may say, so that a link is slow and not dead; and whether a node may run at all.
#pragma once

#include "node/run.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::node {

// Bytes a second that a link must be left with: twice what counts as silence (peer/limits.h).
inline constexpr double kLinkRateMin = 8000;
// Bytes a day that a link must be left with: that rate both ways, from the 23 parts of 24 that come
// evenly (Pace::of_day in peer/pace.h), as a whole number of MiB.
inline constexpr std::uint64_t kLinkDayMin = std::uint64_t{1376} << 20;
static_assert(kLinkDayMin >= 2 * kLinkRateMin * 86400 * 24 / 23);

// Fails with ErrorCode::config where a limit of all links leaves each less than that.
Result<void> check_limits(const Run& run, NodeId self);
// That, and as check_memory() (memory.h): before a node begins the run, or goes on with it.
Result<void> check_means(const Run& run, NodeId self);

}  // namespace starling::node
