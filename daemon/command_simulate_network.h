// What `starling simulate` says of machines and links, for the simulator.
#pragma once

#include <string>
#include <vector>

#include "daemon/command_line.h"
#include "node/run.h"
#include "protocol/result.h"
#include "sim/simulation.h"

namespace starling::daemon {

struct NetworkFlags {
  std::string delay = "0ms", jitter = "0ms", rate, step = "0ms";
  std::vector<std::string> slow;   // "n3=4"
  std::vector<std::string> links;  // "n0-n1:delay=80ms,rate=2mbit"

  void add_to(CommandLine line);
  // As they were typed, those that were given, an option each.
  std::vector<std::string> given() const;
};

// For the nodes and edges of this run. Fails with ErrorCode::config.
Result<sim::SimulationOptions> simulation_options(const NetworkFlags& flags, const node::Run& run);

}  // namespace starling::daemon
