#include "daemon/resume.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "daemon/link_security.h"

#include "node/limits.h"

namespace starling::daemon {
namespace {

namespace fs = std::filesystem;

Result<void> lock_all(Beginning& beginning, const fs::path& checkpoints) {
  auto lock = StateLock::acquire(beginning.paths);
  if (!lock) return lock.error();
  beginning.locks.push_back(std::move(*lock));
  if (checkpoints == beginning.paths.dir) return {};
  auto other = StateLock::acquire({checkpoints});
  if (!other) return other.error();
  beginning.locks.push_back(std::move(*other));
  return {};
}

// The checkpoints that are there are renamed, or loaded.
Result<void> load_or_not(const DaemonOptions& options, Beginning& beginning) {
  const node::Run file = beginning.run;
  const node::CheckpointPlan plan = plan_of(file.config.checkpoint);
  if (options.fresh) {
    const auto aside = beginning.checkpoints->start_anew();
    if (!aside) return aside.error();
    for (const fs::path& file : *aside) {
      beginning.warnings.push_back(
          fmt::format("begins anew: an old checkpoint is now {}", file.string()));
    }
  } else {
    auto loaded = beginning.checkpoints->load([&](Archive& archive) {
      beginning.run = node::with_saved_membership(file, archive);
      beginning.core = node::make_core(beginning.run, options.self, plan);
      beginning.core->archive(archive, Time{0});
    });
    if (!loaded) return loaded.error();
    beginning.resumed = std::move(*loaded);
  }
  if (!beginning.resumed) {
    beginning.run = file;
    beginning.core = node::make_core(file, options.self, plan);
    return {};
  }
  for (const std::string& why : beginning.resumed->refused) {
    beginning.warnings.push_back("a checkpoint is not used: " + why);
  }
  for (const NodeId peer : beginning.core->dropped()) {
    const std::size_t number = index_of(peer);
    beginning.warnings.push_back(fmt::format(
        "the run file has no edge to {} any more: what the checkpoint holds of it is dropped",
        number < file.config.nodes.size() ? file.config.nodes[number].name
                                          : fmt::format("node {}", number)));
  }
  return {};
}

}  // namespace

node::CheckpointPlan plan_of(const node::CheckpointOptions& options) {
  const std::chrono::duration<double> every(options.every_seconds);
  return {.every = options.every, .every_while = std::chrono::duration_cast<Duration>(every)};
}

Result<Beginning> begin_node(const node::Run& run, const DaemonOptions& options) {
  const node::CheckpointOptions& checkpoint = run.config.checkpoint;
  const std::string& self = run.config.nodes[index_of(options.self)].name;
  if (const auto fits = node::check_means(run, options.self); !fits) return fits.error();
  Beginning beginning{.run = run};
  beginning.paths = paths_of(options.state_dir, self);
  fs::path directory = beginning.paths.dir;
  if (!checkpoint.directory.empty()) directory = fs::absolute(checkpoint.directory) / self;
  if (const auto locked = lock_all(beginning, checkpoint.enabled ? directory : beginning.paths.dir);
      !locked) {
    return locked.error();
  }
  auto security = secure_links(run.config, options.self,
                               options.key_file.empty() ? beginning.paths.key() : options.key_file);
  if (!security) return security.error();
  beginning.tls = security->tls;
  beginning.warnings = std::move(security->warnings);
  beginning.store = std::make_unique<node::PosixStore>();
  beginning.checkpoints = std::make_unique<node::Checkpoints>(
      *beginning.store, directory, node::fingerprint_of(run, options.self));
  if (!checkpoint.enabled) {
    if (beginning.checkpoints->any()) {
      beginning.warnings.push_back(fmt::format(
          "[checkpoint] enabled = false: the checkpoints in {} are not used", directory.string()));
    }
    beginning.checkpoints.reset();
    beginning.core = node::make_core(run, options.self);
    return beginning;
  }
  if (const auto loaded = load_or_not(options, beginning); !loaded) return loaded.error();
  return beginning;
}

}  // namespace starling::daemon
