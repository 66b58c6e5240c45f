#include "daemon/state_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "node/store.h"
#include "protocol/io_error.h"

namespace starling::daemon {
namespace {

namespace fs = std::filesystem;

Error no_place(const fs::path& path, const std::string& why) {
  return io_error(path, why + "; name another place with --state");
}

// Also those around it that do not exist yet; each name is synced in the one around it.
void make_directories(const fs::path& dir, std::error_code& failed) {
  if (fs::is_directory(dir, failed)) return;
  failed.clear();
  const fs::path around = dir.parent_path();
  if (!around.empty() && around != dir) make_directories(around, failed);
  if (failed || (!fs::create_directory(dir, failed) && failed)) return;
  // Where this is not allowed the directory is there all the same.
  (void)node::PosixStore().sync_directory(around.empty() ? "." : around);
}

std::string holder_of(int fd) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size() - 1, 0);
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : "unknown";
}

}  // namespace

fs::path default_state_dir(const std::string& run) {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state) {
    return fs::path(state) / "starling" / run;
  }
  const char* home = std::getenv("HOME");
  return fs::path(home && *home ? home : "/var/lib") / ".local" / "state" / "starling" / run;
}

NodePaths paths_of(const fs::path& state_dir, const std::string& node) {
  return {state_dir / node};
}

Result<void> make_private_directory(const fs::path& dir) {
  std::error_code failed;
  make_directories(dir, failed);
  if (failed) return no_place(dir, "cannot be made: " + failed.message());
  fs::permissions(dir, fs::perms::owner_all, failed);
  if (failed) return no_place(dir, "its mode cannot be set: " + failed.message());
  return {};
}

Result<StateLock> StateLock::acquire(const NodePaths& paths) {
  if (auto made = make_private_directory(paths.dir); !made) return made.error();
  const int fd = ::open(paths.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return no_place(paths.lock(), fmt::format("cannot be opened: {}", std::strerror(errno)));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const std::string holder = holder_of(fd);
    ::close(fd);
    return Error{ErrorCode::state_locked,
                 fmt::format("{}: another daemon (process {}) works on this state directory; stop "
                             "it, or name another one with --state",
                             paths.dir.string(), holder)};
  }
  const std::string pid = fmt::format("{}", ::getpid());
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    ::close(fd);
    return no_place(paths.lock(), fmt::format("cannot be written: {}", std::strerror(errno)));
  }
  return StateLock(fd);
}

StateLock::StateLock(StateLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

StateLock::~StateLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace starling::daemon
