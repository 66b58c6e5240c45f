// What a node needs to go on where it stopped, in files that survive whatever stops it.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "node/checkpoint_file.h"
#include "node/store.h"

namespace starling::node {

// The two newest checkpoints of one node, checkpoint-0.safetensors and checkpoint-1.safetensors in
// its directory. A new one is written beside them, synced, renamed over the older of the two, and
// the directory synced: the newer one is never touched, whatever fails in between. Which is which
// says the generation in the file.
//
// One thread; blocks. load() or start_anew() comes first, once.
class Checkpoints {
 public:
  // `store` outlives this. `fingerprint` tells this node of this run from all others.
  Checkpoints(Store& store, std::filesystem::path directory, Fingerprint fingerprint);

  struct Loaded {
    std::filesystem::path file;
    Round round;
    // Sentences on a checkpoint that could not be used, and where it is kept now.
    std::vector<std::string> refused;
  };
  // The newest that is whole, of this run and this node, and fits; nothing where there is none at
  // all. `state` loads it; it may be called twice, with objects of its own each time, and those of
  // a call that came to nothing are of no use. Fails with ErrorCode::io where there are checkpoints
  // and none can be used: what is wrong with each, and what to do.
  Result<std::optional<Loaded>> load(const ArchiveState& state);

  // Whether there is one at all, of whatever kind. May be asked before the others.
  bool any() const;

  // Renames what is there, so that the node begins anew and nothing is lost; the new names.
  Result<std::vector<std::filesystem::path>> start_anew();

  struct Saved {
    std::filesystem::path file;
    std::uint64_t bytes;
  };
  // Once it has succeeded this checkpoint survives a loss of power. When it fails the ones before
  // are as they were and nothing half-written is left behind, if the disk allows that much; to try
  // again later is all right.
  Result<Saved> save(Round round, const ArchiveState& state);

 private:
  static constexpr std::size_t kSlots = 2;
  struct Candidate {
    std::size_t slot;
    std::unique_ptr<CheckpointFile> file;
  };

  std::filesystem::path file_of(std::size_t slot) const;
  Result<std::unique_ptr<CheckpointFile>> open(std::size_t slot) const;
  Result<void> take(const CheckpointFile& file, const ArchiveState& state) const;
  Result<std::filesystem::path> set_aside(std::size_t slot);
  Result<Saved> write_new(const CheckpointAbout& about, const ArchiveState& state);

  Store& store_;
  const std::filesystem::path directory_;
  const Fingerprint fingerprint_;
  bool ready_ = false;
  std::size_t next_slot_ = 0;
  std::uint64_t next_generation_ = 1;
};

}  // namespace starling::node
