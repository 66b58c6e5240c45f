// `starling simulate --attack`: what one lying node costs the others, with clipping and without.
#pragma once

#include <string>

#include "daemon/command_simulate_network.h"
#include "daemon/options.h"

namespace starling::daemon {

struct AttackFlags {
  std::string attacks;  // "all", or names with commas between
  std::string seeds;    // "0..19"; empty: the run file's own
  std::string liar;     // a node's name; empty: the last one
};

// Runs the file's own algorithm with exchanges behind the local step, once for each seed, attack
// and setting of [robust] clip, and without a liar; prints a table, as JSON with --json. Returns
// the exit code.
int simulate_attacks(const AttackFlags& flags, const RunFileOptions& run_file,
                     const NetworkFlags& network);

}  // namespace starling::daemon
