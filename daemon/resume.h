// What a daemon begins with: its state directory locked, and its core as a checkpoint left it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/daemon.h"
#include "daemon/state_dir.h"
#include "node/checkpoint.h"
#include "node/core.h"
#include "node/run.h"
#include "peer/tls.h"

namespace starling::daemon {

struct Beginning {
  node::Run run;  // the run file's, among those who took part when the checkpoint was made
  NodePaths paths = {};
  // Of the state directory, and of the checkpoints' where that differs.
  std::vector<StateLock> locks = {};
  std::shared_ptr<const peer::Tls> tls = nullptr;  // null: links are plain TCP
  std::unique_ptr<node::Core> core = nullptr;
  // Null: they are switched off. The store is under the checkpoints.
  std::unique_ptr<node::Store> store = nullptr;
  std::unique_ptr<node::Checkpoints> checkpoints = nullptr;
  std::optional<node::Checkpoints::Loaded> resumed = std::nullopt;
  std::vector<std::string> warnings = {};  // for the log
};

node::CheckpointPlan plan_of(const node::CheckpointOptions& options);

// From the newest checkpoint that can be used, or anew where there is none or the options say so.
// Fails with state_locked; with io: a directory that cannot be made, checkpoints of which none can
// be used, no key; with config: the node would take more memory than it may, a key file that cannot
// be trusted or is of a key that is not pinned.
Result<Beginning> begin_node(const node::Run& run, const DaemonOptions& options);

}  // namespace starling::daemon
