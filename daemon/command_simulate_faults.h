// `starling simulate --faults`: the run once for every seed, each with faults of its own, and what
// must hold checked after every event.
#pragma once

#include <string>

#include "daemon/command_simulate_network.h"
#include "daemon/options.h"

namespace starling::daemon {

// Beside those of ErrorCode: some seed broke an invariant.
inline constexpr int kInvariantBrokenExit = 16;

// Runs the file's own algorithm, whatever [run] compare names, and to its end, whatever
// until_accuracy says; prints a summary, as JSON with --json. `seeds` as it was typed, "17" or
// "0..99". After three seeds that break an invariant it stops. Returns the exit code.
int simulate_faults(const std::string& seeds, const RunFileOptions& run_file,
                    const NetworkFlags& network);

}  // namespace starling::daemon
