// The few things that a checkpoint asks of a file system: a seam, so that the simulator can lose
// power in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "protocol/result.h"

namespace starling::node {

// One thread. Everything blocks and fails with ErrorCode::io, naming the file and the reason.
//
// What survives a loss of power, of what POSIX promises no more than this may be used: the content
// of a file once sync() has succeeded, and a name once sync_directory() has. What was not synced
// may be there, be missing, or, of a file's content, be anything. A name that is renamed over is
// one file or the other, never none.
class Store {
 public:
  virtual ~Store() = default;

  // A file that is being written. The destructor closes it.
  class Output {
   public:
    virtual ~Output() = default;
    virtual Result<void> write(std::span<const std::byte> data) = 0;
    // Once it has failed the content is unknown, and a later success means nothing: the kernel may
    // have dropped what it could not write. Throw the file away.
    virtual Result<void> sync() = 0;
  };

  class Input {
   public:
    virtual ~Input() = default;
    virtual std::uint64_t size() const = 0;
    // All of `out`, from `offset` on. Errors say the offset and not the file, of which the caller
    // has more to say.
    virtual Result<void> read(std::uint64_t offset, std::span<std::byte> out) const = 0;
  };

  // A new file, mode 0600. One that had the name loses it, and no other name that it has.
  virtual Result<std::unique_ptr<Output>> create(const std::filesystem::path& file) = 0;
  // Null where there is no file of that name.
  virtual Result<std::unique_ptr<Input>> open(const std::filesystem::path& file) = 0;
  virtual Result<void> rename(const std::filesystem::path& from,
                              const std::filesystem::path& to) = 0;
  // Well where there is no file of that name.
  virtual Result<void> remove(const std::filesystem::path& file) = 0;
  virtual Result<void> sync_directory(const std::filesystem::path& directory) = 0;
};

class PosixStore final : public Store {
 public:
  Result<std::unique_ptr<Output>> create(const std::filesystem::path& file) override;
  Result<std::unique_ptr<Input>> open(const std::filesystem::path& file) override;
  Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Result<void> remove(const std::filesystem::path& file) override;
  Result<void> sync_directory(const std::filesystem::path& directory) override;
};

}  // namespace starling::node
