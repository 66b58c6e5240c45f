// An input is a checkpoint. Where its first byte is odd the checksum is made right, so that what
// lies behind it is reached. Aborts where one is taken that does not give the same state again, or
// refused without a word.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "corpus.h"
#include "node/checkpoint_file.h"
#include "node/checkpoint_format.h"
#include "protocol/check.h"
#include "tests/support/small_state.h"

namespace starling::fuzz {
namespace {

using node::Store;
using test::SmallState;

class MemoryInput final : public Store::Input {
 public:
  explicit MemoryInput(std::vector<std::byte> data) : data_(std::move(data)) {}
  std::uint64_t size() const override { return data_.size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> out) const override {
    INVARIANT(offset <= data_.size() && out.size() <= data_.size() - offset);
    std::copy_n(data_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }

 private:
  const std::vector<std::byte> data_;
};

class MemoryOutput final : public Store::Output {
 public:
  Result<void> write(std::span<const std::byte> data) override {
    written.insert(written.end(), data.begin(), data.end());
    return {};
  }
  Result<void> sync() override { return {}; }
  std::vector<std::byte> written;
};

std::vector<std::byte> file_of(SmallState state, const node::CheckpointAbout& about) {
  MemoryOutput out;
  INVARIANT(node::write_checkpoint(out, about, [&](Archive& a) { state.archive(a); }).ok());
  return out.written;
}

Seed with_mode(int mode, std::vector<std::byte> file) {
  if (mode == 1) file.resize(file.size() - node::kChecksumBytes);
  file.insert(file.begin(), static_cast<std::byte>(mode));
  return file;
}

}  // namespace

std::vector<Seed> seeds() {
  const auto file = [](std::uint64_t seed) {
    return file_of(SmallState(seed, 4), {{{"run", "r"}, {"node", "n0"}}, seed, 10 * seed});
  };
  Seed damaged = with_mode(0, file(3));
  damaged[damaged.size() / 2] ^= std::byte{1};
  Seed cut = with_mode(0, file(4));
  cut.resize(cut.size() / 2);
  return {with_mode(0, file(1)), with_mode(1, file(2)), damaged, cut, with_mode(1, file(5))};
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling;
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  std::vector<std::byte> content(bytes.begin(), bytes.end());
  if (data[0] % 2 == 1) {
    const std::uint64_t checksum = hash_of(content);
    const auto right = std::as_bytes(std::span(&checksum, 1));
    content.insert(content.end(), right.begin(), right.end());
  }
  const auto file = node::CheckpointFile::open(std::make_unique<fuzz::MemoryInput>(content));
  if (!file) {
    INVARIANT(!file.error().message.empty());
    return 0;
  }
  test::SmallState state(0, 4);
  Archive archive(**file);
  state.archive(archive);
  if (const auto done = archive.done(); !done) {
    INVARIANT(!done.error().message.empty());
    return 0;
  }
  const auto again = node::CheckpointFile::open(
      std::make_unique<fuzz::MemoryInput>(fuzz::file_of(state, (*file)->about())));
  INVARIANT(again.ok());
  test::SmallState reloaded(0, 4);
  Archive second(**again);
  reloaded.archive(second);
  INVARIANT(second.done().ok());
  INVARIANT(reloaded == state);
  return 0;
}
