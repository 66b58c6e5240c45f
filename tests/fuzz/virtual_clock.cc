#include "virtual_clock.h"

#include <sys/timerfd.h>

#include <cerrno>

namespace {

constexpr std::chrono::nanoseconds kBegin = std::chrono::hours{1};

std::chrono::nanoseconds passed = kBegin;

}  // namespace

namespace starling::fuzz {

void pass(std::chrono::nanoseconds time) { passed += time; }

asio::io_context& begin_io() {
  static asio::io_context io;
  passed = kBegin;
  return io;
}

}  // namespace starling::fuzz

// In place of libstdc++'s, which is a shared library: what the program itself defines goes first.
std::chrono::steady_clock::time_point std::chrono::steady_clock::now() noexcept {
  return time_point(passed);
}

extern "C" int timerfd_create(clockid_t, int) noexcept {
  errno = ENOSYS;
  return -1;
}
