// One node of a run as a process: engine, links, control socket and signals, joined.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "node/report.h"
#include "node/run.h"
#include "peer/logger.h"
#include "protocol/result.h"

namespace starling::daemon {

struct DaemonOptions {
  NodeId self;
  std::filesystem::path state_dir;          // of the run; the node's own is below it
  bool fresh = false;                       // begins anew; checkpoints that are there are renamed
  std::vector<std::string> overrides = {};  // that the run file was read with, for a reload
  std::filesystem::path key_file = {};      // empty: below the node's state
  // A second control socket, for the verbs that only look; empty: none. The group may ask
  // there, too.
  std::filesystem::path monitor_socket = {};
  std::string monitor_group = {};
};

// Runs the node, from its newest checkpoint where it has one, until its rounds are done, a signal
// or `starling stop` ends it, or training diverges. Blocks; the calling thread becomes the io
// thread. SIGTERM and SIGINT finish the round, save a checkpoint, tell the neighbors and export the
// model; a second one ends the process at once. SIGHUP and `starling reload` read the run file
// again (node/reload.h). Fails before any round with state_locked, address_in_use, config (an
// address that plain TCP may not use, a key that does not fit) or io (checkpoints of which none can
// be used, too); with diverged after the model was exported as it stood.
Result<node::NodeReport> run_daemon(const node::Run& run, const DaemonOptions& options,
                                    std::shared_ptr<spdlog::logger> log);

}  // namespace starling::daemon
