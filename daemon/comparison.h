// One run file, one run for each algorithm that it wants compared.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "daemon/flock.h"
#include "node/config.h"
#include "node/report.h"
#include "protocol/result.h"

namespace starling::daemon {

// The outcome of one run, by daemons or in the simulator.
using RunOne = std::function<Result<FlockResult>(const node::Config& config)>;

// Runs the file's own algorithm, or each of [run] compare in turn on the same seed; prints the
// result table and, for `json`, one object on the last line: the report of the file's own
// algorithm, with all of them under "compared" where there are several. An interrupted run is the
// last one. Returns the exit code.
int run_and_report(const node::Config& config, bool json, const RunOne& run_one);

}  // namespace starling::daemon
