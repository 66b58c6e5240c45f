#include "node/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace starling::node {
namespace {

namespace fs = std::filesystem;

Error failed(const fs::path& path, const char* what, int why) {
  return {ErrorCode::io, fmt::format("{}: {}: {}", path.string(), what, std::strerror(why))};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

class PosixOutput final : public Store::Output {
 public:
  PosixOutput(fs::path path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Result<void> write(std::span<const std::byte> data) override {
    while (!data.empty()) {
      const ssize_t wrote = ::write(fd_.get(), data.data(), data.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return failed(path_, "cannot be written", errno);
      data = data.subspan(static_cast<std::size_t>(wrote));
    }
    return {};
  }

  Result<void> sync() override {
    if (::fsync(fd_.get()) != 0) return failed(path_, "cannot be synced", errno);
    return {};
  }

 private:
  const fs::path path_;
  const Descriptor fd_;
};

class PosixInput final : public Store::Input {
 public:
  PosixInput(Descriptor fd, std::uint64_t size) : fd_(std::move(fd)), size_(size) {}

  std::uint64_t size() const override { return size_; }

  Result<void> read(std::uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const ssize_t got = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        return Error{ErrorCode::io, fmt::format("cannot be read at byte {}: {}", offset,
                                                got < 0 ? std::strerror(errno) : "it ends there")};
      }
      offset += static_cast<std::uint64_t>(got);
      out = out.subspan(static_cast<std::size_t>(got));
    }
    return {};
  }

 private:
  const Descriptor fd_;
  const std::uint64_t size_;
};

}  // namespace

Result<std::unique_ptr<Store::Output>> PosixStore::create(const fs::path& file) {
  if (Result<void> removed = remove(file); !removed) return removed.error();
  Descriptor fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.get() < 0) return failed(file, "cannot be made", errno);
  return std::unique_ptr<Output>(std::make_unique<PosixOutput>(file, std::move(fd)));
}

Result<std::unique_ptr<Store::Input>> PosixStore::open(const fs::path& file) {
  Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0 && errno == ENOENT) return std::unique_ptr<Input>();
  struct stat about {};
  if (fd.get() < 0 || ::fstat(fd.get(), &about) != 0) return failed(file, "cannot be read", errno);
  if (!S_ISREG(about.st_mode)) {
    return Error{ErrorCode::io, fmt::format("{}: cannot be read: it is no file", file.string())};
  }
  return std::unique_ptr<Input>(
      std::make_unique<PosixInput>(std::move(fd), static_cast<std::uint64_t>(about.st_size)));
}

Result<void> PosixStore::rename(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return failed(to, "cannot be replaced", errno);
}

Result<void> PosixStore::remove(const fs::path& file) {
  if (::unlink(file.c_str()) == 0 || errno == ENOENT) return {};
  return failed(file, "cannot be removed", errno);
}

Result<void> PosixStore::sync_directory(const fs::path& directory) {
  const Descriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return failed(directory, "cannot be synced", errno);
  return {};
}

}  // namespace starling::node
