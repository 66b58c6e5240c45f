// What a run file makes of a daemon's links and engine.
#pragma once

#include <memory>
#include <vector>

#include "daemon/daemon.h"
#include "daemon/engine.h"
#include "node/core.h"
#include "node/run.h"
#include "peer/links.h"
#include "protocol/ids.h"

namespace starling::daemon {

// Those that the node exchanges with, and those that are away.
std::vector<peer::Neighbor> neighbors_of(const node::Run& run, NodeId self);

// Reads the file again as this process was started, and refuses what its links cannot become.
Engine::RunFile run_file_of(const node::Run& run, const DaemonOptions& options);

peer::RateLimits rates_of_all(const node::LimitOptions& limits);
peer::RateLimits rates_of_each(const node::LimitOptions& limits);

// `core`: as it begins. `tls`: null for plain TCP.
peer::LinkOptions link_options(const node::Run& run, NodeId self, const node::Core& core,
                               std::shared_ptr<const peer::Tls> tls);

}  // namespace starling::daemon
