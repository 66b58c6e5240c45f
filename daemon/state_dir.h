// Where a run keeps what outlives its processes.
#pragma once

#include <filesystem>
#include <string>

#include "protocol/result.h"

namespace starling::daemon {

// $XDG_STATE_HOME/starling/RUN, or ~/.local/state/starling/RUN; the folder need not exist.
std::filesystem::path default_state_dir(const std::string& run);

// The paths of one node below the run's state directory.
struct NodePaths {
  std::filesystem::path dir;  // checkpoints as well, where the run file does not say otherwise
  std::filesystem::path control_socket() const { return dir / "control.sock"; }
  std::filesystem::path model() const { return dir / "model.safetensors"; }
  std::filesystem::path log() const { return dir / "starlingd.log"; }
  std::filesystem::path lock() const { return dir / "lock"; }
  std::filesystem::path day() const { return dir / "day.json"; }
  std::filesystem::path key() const { return dir / "node.key"; }  // unless --key names another
};
NodePaths paths_of(const std::filesystem::path& state_dir, const std::string& node);

// Makes a directory that is for this user alone (mode 0700), and those around it that are missing,
// in a way that a loss of power does not undo. Fails with ErrorCode::io.
Result<void> make_private_directory(const std::filesystem::path& dir);

// Holds a node's directory for one process, for as long as it lives; the kernel lets go of it even
// after kill -9.
class StateLock {
 public:
  // Makes the directory where it is missing. Fails with ErrorCode::state_locked, naming the process
  // that holds it, or ErrorCode::io.
  static Result<StateLock> acquire(const NodePaths& paths);
  StateLock(StateLock&& other) noexcept;
  StateLock& operator=(StateLock&&) = delete;
  ~StateLock();

 private:
  explicit StateLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace starling::daemon
