// How fast the links of a run are, for `starling advise`.
#pragma once

#include <string>

#include "daemon/asking.h"
#include "node/run.h"
#include "protocol/result.h"
#include "sim/simulation.h"

namespace starling::daemon {

struct LinkWords {
  std::string rate, delay;  // as they were typed; empty: to be measured
};

struct Links {
  sim::SimulationOptions network;  // as messages have it
  double bytes_per_second = 0;     // as given, packets' headers included, or as measured
  std::string origin;              // "as given", and what was measured, for people
  bool daemons = false;            // of this run are at work on this machine
};

// What was given, and the rest from the daemons that answer here: half of what a word takes to a
// neighbor and back, and the rate of the slowest link that carried as much as it could for a
// second. Fails with ErrorCode::config where neither tells it, with what to do.
Result<Links> links_of(const AskOptions& options, const LinkWords& words, const node::Run& run);

}  // namespace starling::daemon
