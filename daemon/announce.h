// What a node writes into its log of itself: its first lines, and one a round.
#pragma once

#include <string>
#include <vector>

#include "daemon/resume.h"
#include "node/core.h"
#include "node/memory.h"
#include "node/run.h"
#include "peer/links.h"
#include "peer/logger.h"

namespace starling::daemon {

// Which run and node, with whom, in which way, from where, and what is unusual about it.
void announce(spdlog::logger& log, const node::Run& run, NodeId self, const node::Core& core,
              const node::MemoryForecast& memory, const Beginning& beginning);

// Where the node is, in one line for a service manager.
std::string state_line(const node::Progress& progress, Round rounds,
                       const std::vector<peer::LinkStatus>& links);

// A round in one line; the figures of `progress` are those after it.
std::string round_line(const node::RoundDone& done, const node::Progress& progress);

}  // namespace starling::daemon
