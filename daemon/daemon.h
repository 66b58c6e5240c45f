// One node of a run as a process: engine, links, control socket and signals, joined.
#pragma once

#include <spdlog/logger.h>

#include <filesystem>
#include <memory>

#include "node/report.h"
#include "node/run.h"
#include "protocol/result.h"

namespace starling::daemon {

struct DaemonOptions {
  NodeId self;
  std::filesystem::path state_dir;  // of the run; the node's own is below it
  bool fresh = false;               // begins anew; checkpoints that are there are renamed
};

// Runs the node, from its newest checkpoint where it has one, until its rounds are done, a signal
// or `starling stop` ends it, or training diverges. Blocks; the calling thread becomes the io
// thread. SIGTERM and SIGINT finish the round, save a checkpoint, tell the neighbors and export the
// model; a second one ends the process at once. Fails before any round with state_locked,
// address_in_use, config (an address that plain TCP may not use) or io (checkpoints of which none
// can be used, too); with diverged after the model was exported as it stood.
Result<node::NodeReport> run_daemon(const node::Run& run, const DaemonOptions& options,
                                    std::shared_ptr<spdlog::logger> log);

}  // namespace starling::daemon
