#include "sim/faulty_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace starling::sim {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSectorBytes = 512;

std::size_t sectors_of(std::size_t bytes) { return (bytes + kSectorBytes - 1) / kSectorBytes; }

// The part of `bytes` that is in that sector; empty beyond its end.
template <class Bytes>
auto sector(Bytes& bytes, std::size_t number) {
  const std::size_t begin = std::min(number * kSectorBytes, bytes.size());
  return std::span(bytes).subspan(begin, std::min(kSectorBytes, bytes.size() - begin));
}

bool sector_differs(const std::vector<std::byte>& a, const std::vector<std::byte>& b,
                    std::size_t number) {
  return !std::ranges::equal(sector(a, number), sector(b, number));
}

Error failure(const fs::path& path, const char* verb, const char* why) {
  return {ErrorCode::io, fmt::format("{}: cannot be {}: {}", path.string(), verb, why)};
}

}  // namespace

class FaultyStore::FaultyOutput final : public node::Store::Output {
 public:
  FaultyOutput(FaultyStore& store, fs::path path, std::shared_ptr<File> file)
      : store_(store), path_(std::move(path)), file_(std::move(file)) {}

  Result<void> write(std::span<const std::byte> data) override {
    const bool was_off = store_.power_off_;
    const auto failed = store_.next_operation(path_, "written", true);
    if (was_off) return *failed;
    if (failed) data = data.first(store_.draw(data.size() + 1));
    file_->now.insert(file_->now.end(), data.begin(), data.end());
    if (failed) return *failed;
    return {};
  }

  Result<void> sync() override {
    const bool was_off = store_.power_off_;
    const auto failed = store_.next_operation(path_, "synced");
    if (!failed) {
      store_.sync(*file_);
      return {};
    }
    if (!was_off) {
      file_->dropped.resize(sectors_of(file_->now.size()));
      for (std::size_t i = 0; i < file_->dropped.size(); ++i) {
        if (sector_differs(file_->now, file_->synced, i)) file_->dropped[i] = true;
      }
    }
    return *failed;
  }

 private:
  FaultyStore& store_;
  const fs::path path_;
  const std::shared_ptr<File> file_;
};

class FaultyStore::FaultyInput final : public node::Store::Input {
 public:
  FaultyInput(FaultyStore& store, fs::path path, std::shared_ptr<File> file)
      : store_(store), path_(std::move(path)), file_(std::move(file)) {}

  std::uint64_t size() const override { return file_->now.size(); }

  Result<void> read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (store_.next_operation(path_, "read")) return at(offset, "Input/output error");
    if (offset > size() || out.size() > size() - offset) return at(offset, "it ends there");
    std::copy_n(file_->now.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }

 private:
  static Error at(std::uint64_t offset, const char* why) {
    return {ErrorCode::io, fmt::format("cannot be read at byte {}: {}", offset, why)};
  }

  FaultyStore& store_;
  const fs::path path_;
  const std::shared_ptr<File> file_;
};

FaultyStore::FaultyStore(StoreFaults faults)
    : faults_(faults), random_(faults.seed, Stream::storage_faults) {}

FaultyStore::FaultyStore(const FaultyStore& other)
    : faults_(other.faults_),
      random_(other.random_),
      draws_(other.draws_),
      operations_(other.operations_),
      power_off_(other.power_off_) {
  std::map<const File*, std::shared_ptr<File>> copies;  // a file may have a name in both
  const auto copied = [&copies](const Names& names) {
    Names out;
    for (const auto& [name, file] : names) {
      std::shared_ptr<File>& copy = copies[file.get()];
      if (!copy) copy = std::make_shared<File>(*file);
      out[name] = copy;
    }
    return out;
  };
  now_ = copied(other.now_);
  synced_ = copied(other.synced_);
}

void FaultyStore::set_faults(StoreFaults faults) {
  faults_ = faults;
  random_ = Random(faults.seed, Stream::storage_faults);
  draws_ = 0;
}

std::optional<Error> FaultyStore::next_operation(const fs::path& path, const char* verb,
                                                 bool space) {
  const std::uint64_t number = operations_++;
  if (power_off_ || number == faults_.power_off_at) {
    power_off_ = true;
    return failure(path, verb, "the power is off");
  }
  const bool due = faults_.fail_at && number >= *faults_.fail_at &&
                   number - *faults_.fail_at < faults_.fail_count;
  const bool drawn = faults_.fail_rate > 0 && random_.uniform(draws_++) < faults_.fail_rate;
  if (!due && !drawn) return std::nullopt;
  const bool full = space && draw(2) == 0;
  return failure(path, verb, full ? "No space left on device" : "Input/output error");
}

Result<std::unique_ptr<node::Store::Output>> FaultyStore::create(const fs::path& file) {
  if (const auto failed = next_operation(file, "made", true)) return *failed;
  auto fresh = std::make_shared<File>();
  now_[file.string()] = fresh;
  return std::unique_ptr<Output>(std::make_unique<FaultyOutput>(*this, file, std::move(fresh)));
}

Result<std::unique_ptr<node::Store::Input>> FaultyStore::open(const fs::path& file) {
  if (const auto failed = next_operation(file, "read")) return *failed;
  const auto found = now_.find(file.string());
  if (found == now_.end()) return std::unique_ptr<Input>();
  return std::unique_ptr<Input>(std::make_unique<FaultyInput>(*this, file, found->second));
}

Result<void> FaultyStore::rename(const fs::path& from, const fs::path& to) {
  const bool was_off = power_off_;
  const auto failed = next_operation(to, "replaced", true);
  const auto found = now_.find(from.string());
  const bool missing = found == now_.end();
  // Power that goes in the middle of it: done, and not synced, or not done.
  const bool done = !failed || (power_off_ && !was_off && draw(2) == 0);
  if (done && !missing) {
    now_[to.string()] = found->second;
    now_.erase(from.string());
  }
  if (failed) return *failed;
  if (missing) return failure(from, "renamed", "No such file or directory");
  return {};
}

Result<void> FaultyStore::remove(const fs::path& file) {
  if (const auto failed = next_operation(file, "removed")) return *failed;
  now_.erase(file.string());
  return {};
}

Result<void> FaultyStore::sync_directory(const fs::path& directory) {
  if (const auto failed = next_operation(directory, "synced")) return *failed;
  const auto inside = [&](const auto& name) {
    return fs::path(name.first).parent_path() == directory;
  };
  std::erase_if(synced_, inside);
  std::ranges::copy_if(now_, std::inserter(synced_, synced_.end()), inside);
  return {};
}

void FaultyStore::sync(File& file) {
  file.dropped.resize(sectors_of(file.now.size()));
  const std::vector<std::byte> before = std::exchange(file.synced, file.now);
  for (std::size_t i = 0; i < file.dropped.size(); ++i) {
    if (!file.dropped[i]) continue;
    const auto to = sector(file.synced, i);
    std::ranges::fill(to, std::byte{0});
    std::ranges::copy(sector(before, i).first(std::min(to.size(), sector(before, i).size())),
                      to.begin());
  }
}

void FaultyStore::tear(File& file) {
  std::vector<std::byte> left = file.synced;
  const std::size_t shorter = std::min(file.now.size(), file.synced.size());
  const std::size_t longer = std::max(file.now.size(), file.synced.size());
  left.resize(longer > shorter ? shorter + draw(longer - shorter + 1) : longer);
  for (std::size_t i = 0; i < sectors_of(left.size()); ++i) {
    if (!sector_differs(file.now, file.synced, i)) continue;
    const auto to = sector(left, i);
    const auto from = sector(file.now, i);
    switch (draw(3)) {
      case 0: break;  // as it was, zeros where nothing was
      case 1: std::ranges::copy(from.first(std::min(from.size(), to.size())), to.begin()); break;
      default:
        for (std::byte& b : to) b = static_cast<std::byte>(draw(256));
    }
  }
  file.now = file.synced = std::move(left);
  file.dropped.clear();
}

void FaultyStore::restart() {
  power_off_ = false;
  faults_.power_off_at.reset();
  Names left;
  Names all = now_;
  all.insert(synced_.begin(), synced_.end());
  for (const auto& [name, file] : all) {
    const auto before = synced_.find(name);
    const auto after = now_.find(name);
    const bool same =
        before != synced_.end() && after != now_.end() && before->second == after->second;
    const bool keep_new = same || draw(2) == 0;
    const auto& kept = keep_new ? after : before;
    if (kept != (keep_new ? now_.end() : synced_.end())) left[name] = kept->second;
  }
  std::vector<File*> torn;  // a file may have two names now
  for (const auto& [name, file] : left) {
    if (std::ranges::find(torn, file.get()) != torn.end()) continue;
    torn.push_back(file.get());
    tear(*file);
  }
  now_ = synced_ = std::move(left);
}

std::vector<std::byte>* FaultyStore::content(const fs::path& file) {
  const auto found = now_.find(file.string());
  return found == now_.end() ? nullptr : &found->second->now;
}

}  // namespace starling::sim
