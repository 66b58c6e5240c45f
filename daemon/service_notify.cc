#include "daemon/service_notify.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace starling::daemon {
namespace {

constexpr std::chrono::seconds kTellEvery{5};

// Connected to $NOTIFY_SOCKET; -1 without one, or where it cannot be reached.
int notify_socket() {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!path || std::strlen(path) == 0 || std::strlen(path) >= sizeof address.sun_path) return -1;
  std::memcpy(address.sun_path, path, std::strlen(path));
  if (path[0] == '@') address.sun_path[0] = '\0';  // in the kernel's own name space
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), length) == 0) return socket;
  ::close(socket);
  return -1;
}

// How long this process may go without a word; nothing where it is not watched.
std::optional<Duration> watchdog() {
  const char* const time = std::getenv("WATCHDOG_USEC");
  const char* const process = std::getenv("WATCHDOG_PID");
  if (!time || (process && std::atol(process) != ::getpid())) return std::nullopt;
  const long microseconds = std::atol(time);
  if (microseconds <= 0) return std::nullopt;
  return std::chrono::microseconds(microseconds);
}

}  // namespace

Duration standstill_max() { return watchdog().value_or(kStandstillMax); }

ServiceNotify::ServiceNotify(asio::io_context& io, Look look)
    : look_(std::move(look)), socket_(notify_socket()), every_(kTellEvery), timer_(io) {
  const auto patience = watchdog();
  watched_ = patience.has_value();
  if (watched_) every_ = std::min<Duration>(every_, *patience / 3);
}

ServiceNotify::~ServiceNotify() {
  if (socket_ >= 0) ::close(socket_);
}

// Where nobody listens any more there is nobody to complain to.
void ServiceNotify::send(const std::string& message) const {
  if (socket_ >= 0) (void)::send(socket_, message.data(), message.size(), MSG_NOSIGNAL);
}

void ServiceNotify::ready() {
  if (socket_ < 0) return;
  send("READY=1");
  tell();
  wait();
}

void ServiceNotify::reloading() {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.count()));
}

void ServiceNotify::stopping() {
  timer_.cancel();
  send("STOPPING=1\nSTATUS=finishing the round");
}

void ServiceNotify::tell() {
  State state = look_();
  std::string message = fmt::format("STATUS={}", state.text);
  const bool moves =
      !fed_ || state.phase != node::Phase::training || state.moved_at != fed_->moved_at;
  if (watched_ && moves) {
    message += "\nWATCHDOG=1";
    fed_ = std::move(state);
  }
  send(message);
}

void ServiceNotify::wait() {
  timer_.expires_after(every_);
  timer_.async_wait([this](const asio::error_code& cancelled) {
    if (cancelled) return;
    tell();
    wait();
  });
}

}  // namespace starling::daemon
