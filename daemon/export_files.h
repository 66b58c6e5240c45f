// The files in which a node's models wait for those who have asked for them.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>

#include "peer/net.h"

namespace starling::daemon {

// Names export-N.safetensors in a folder that is this process's alone. Whoever has asked for one
// opens it as soon as it is told the name, and removes it when it has read it; for one that was
// killed meanwhile this does. An open file can be read to its end all the same. io thread only.
class ExportFiles {
 public:
  // Nobody reads a file whose name was told longer ago.
  static constexpr std::chrono::minutes kKept{1};

  // Removes what an earlier process has left.
  explicit ExportFiles(std::filesystem::path folder);

  // A name that nothing has. Removes what was told of and left.
  std::filesystem::path next(peer::Clock::time_point now);
  // Whoever has asked is told of this file, or will never be.
  void told(std::filesystem::path file, peer::Clock::time_point now);

 private:
  struct Told {
    std::filesystem::path file;
    peer::Clock::time_point at;
  };

  const std::filesystem::path folder_;
  std::uint64_t count_ = 0;
  std::deque<Told> told_;  // the oldest first
};

}  // namespace starling::daemon
