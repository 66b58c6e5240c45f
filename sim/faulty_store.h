// A disk in memory that fails as disks fail, drawn from a seed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/store.h"
#include "protocol/random.h"

namespace starling::sim {

// Every create, open, rename, remove, sync_directory, write, sync and read is an operation, counted
// from 0 over the store's life.
struct StoreFaults {
  std::uint64_t seed = 0;
  // Operations from fail_at on fail, fail_count of them. A write may have gone halfway.
  std::optional<std::uint64_t> fail_at = std::nullopt;
  std::uint64_t fail_count = 1;
  // Beside those, each with this probability.
  double fail_rate = 0;
  // The power goes in the middle of this operation: it and all later ones fail until restart().
  std::optional<std::uint64_t> power_off_at = std::nullopt;
};

// What it promises is what node/store.h says, and nothing more:
//  * A file's content is safe once sync() has succeeded. Of what is written later each sector of
//    512 bytes is, after a loss of power, the old one, the new one or garbage, and the file ends
//    anywhere between the old and the new end.
//  * A name is safe once sync_directory() has succeeded. After a loss of power each name that was
//    made, replaced or removed later is, by itself, as it was or as it became.
//  * After a failed sync() the sectors that it should have written are not written by a later one
//    that succeeds (as Linux does it).
// A process that dies alone loses nothing. Directories are parts of names. One thread.
class FaultyStore final : public node::Store {
 public:
  explicit FaultyStore(StoreFaults faults = {});
  // Another disk with the same content; what is open stays with the first.
  FaultyStore(const FaultyStore& other);
  FaultyStore& operator=(const FaultyStore&) = delete;

  Result<std::unique_ptr<Output>> create(const std::filesystem::path& file) override;
  Result<std::unique_ptr<Input>> open(const std::filesystem::path& file) override;
  Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Result<void> remove(const std::filesystem::path& file) override;
  Result<void> sync_directory(const std::filesystem::path& directory) override;

  // The power is back: what had not been synced is lost or torn. Also without power_off_at, as a
  // loss of power between two operations.
  void restart();
  // From now on; operations go on counting.
  void set_faults(StoreFaults faults);
  std::uint64_t operations() const { return operations_; }

  // For tests: a file's content as a process sees it, null where there is none.
  std::vector<std::byte>* content(const std::filesystem::path& file);

 private:
  struct File {
    std::vector<std::byte> now;     // what a process reads
    std::vector<std::byte> synced;  // what a loss of power leaves for sure
    // Sectors that a failed sync dropped: no later one will write them.
    std::vector<bool> dropped;
  };
  using Names = std::map<std::string, std::shared_ptr<File>>;
  class FaultyOutput;
  class FaultyInput;

  // Counts an operation; an error where it fails. `space`: the disk may also be full.
  std::optional<Error> next_operation(const std::filesystem::path& path, const char* verb,
                                      bool space = false);
  std::uint64_t draw(std::uint64_t bound) { return random_.below(draws_++, bound); }
  void sync(File& file);
  void tear(File& file);

  StoreFaults faults_;
  Random random_;
  std::uint64_t draws_ = 0, operations_ = 0;
  bool power_off_ = false;
  Names now_, synced_;
};

}  // namespace starling::sim
