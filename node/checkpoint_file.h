// One checkpoint as a file: a .safetensors file with a checksum of its own. README.md has every
// field.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/safetensors_header.h"
#include "node/store.h"
#include "protocol/archive.h"
#include "protocol/fingerprint.h"
#include "protocol/ids.h"

namespace starling::node {

// What a checkpoint says of itself.
struct CheckpointAbout {
  Fingerprint fingerprint;       // of the run and the node
  std::uint64_t generation = 0;  // of two checkpoints of a node the larger is the newer
  Round round = 0;               // rounds done
};

// Lists the state for either direction.
using ArchiveState = std::function<void(Archive&)>;

// Streams the state to `out`, its large parts from where they lie, and returns the bytes written.
// Nothing is synced. Fails with ErrorCode::io, as the store says it.
Result<std::uint64_t> write_checkpoint(Store::Output& out, const CheckpointAbout& about,
                                       const ArchiveState& state);

// A checkpoint whose every byte has been held against its checksum. One thread.
class CheckpointFile final : public StateReader {
 public:
  // Memory is asked for the header and a buffer, whatever the file says. Fails with ErrorCode::io;
  // the error says what was found and at which byte, not the file.
  static Result<std::unique_ptr<CheckpointFile>> open(std::unique_ptr<Store::Input> input);

  // The fingerprint's fields are in no particular order.
  const CheckpointAbout& about() const { return about_; }

  std::vector<std::string> names() const override;
  std::optional<std::string> value(const std::string& name) const override;
  std::optional<Blob> blob(const std::string& name) const override;
  Result<void> read(const std::string& name, std::span<std::byte> out) const override;

 private:
  CheckpointFile() = default;

  std::unique_ptr<Store::Input> input_;
  std::uint64_t data_begin_ = 0;
  CheckpointAbout about_;
  std::map<std::string, std::string> values_;
  std::map<std::string, SafetensorsEntry> blobs_;
};

}  // namespace starling::node
