#include "daemon/control_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "daemon/control_frame.h"
#include "daemon/control_server.h"

namespace starling::daemon {
namespace {

constexpr std::uint32_t kReplyBytesMax = 1 << 20;

enum class Moved { all, not_in_time, closed };

// Of a call that has moved nothing, by errno.
Moved reason_of_stop() {
  return errno == EAGAIN || errno == EWOULDBLOCK ? Moved::not_in_time : Moved::closed;
}

// A blocking socket with a time limit on each read and write, closed at the end.
class Connection {
 public:
  explicit Connection(Duration patience) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(patience).count();
    const timeval limit{us / 1'000'000, us % 1'000'000};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  ~Connection() {
    if (fd_ >= 0) ::close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
      errno = ENAMETOOLONG;
      return false;
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }

  int release() { return std::exchange(fd_, -1); }

  Moved write_all(const char* data, std::size_t size) {
    while (size > 0) {
      const ssize_t wrote = ::send(fd_, data, size, MSG_NOSIGNAL);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return reason_of_stop();
      data += wrote;
      size -= static_cast<std::size_t>(wrote);
    }
    return Moved::all;
  }

  Moved read_all(char* data, std::size_t size) {
    while (size > 0) {
      const ssize_t got = ::recv(fd_, data, size, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return reason_of_stop();
      if (got == 0) return Moved::closed;
      data += got;
      size -= static_cast<std::size_t>(got);
    }
    return Moved::all;
  }

 private:
  int fd_;
};

Error nobody_on(const std::filesystem::path& socket) {
  return {ErrorCode::no_daemon,
          fmt::format("no daemon answers on {}: {}", socket.string(), std::strerror(errno))};
}

// Which of these it was, the socket does not tell and the daemon logs.
Error unanswered(const std::string& socket) {
  return {ErrorCode::io,
          fmt::format("the daemon on {} closed the connection unanswered: it answers its own user, "
                      "root and the members of its --monitor-group, on {} connections at a time, "
                      "and nobody while it ends; its log says which",
                      socket, ControlServer::kConnectionsMax)};
}

Error no_answer(Moved moved, const std::filesystem::path& socket, Duration patience) {
  if (moved == Moved::closed) return unanswered(socket.string());
  return {ErrorCode::io, fmt::format("the daemon on {} gave no answer within {:.1f} s",
                                     socket.string(), seconds(patience))};
}

Result<void> check_size(std::uint32_t size, const std::string& socket) {
  if (size <= kReplyBytesMax) return {};
  return Error{ErrorCode::io, fmt::format("the daemon on {} announced a reply of {} bytes, "
                                          "expected at most {}",
                                          socket, size, kReplyBytesMax)};
}

Result<control::Reply> parsed(const std::string& text, const std::string& socket) {
  control::Reply reply;
  if (!reply.ParseFromString(text)) {
    return Error{ErrorCode::io,
                 fmt::format("the daemon on {} sent no message of control.proto", socket)};
  }
  if (reply.has_error()) {
    return Error{ErrorCode::io,
                 fmt::format("the daemon on {} answered: {}", socket, reply.error().text())};
  }
  return reply;
}

}  // namespace

Result<control::Reply> ask(const std::filesystem::path& socket, const control::Request& request,
                           Duration patience) {
  Connection connection(patience);
  if (!connection.connect(socket.string())) return nobody_on(socket);
  const std::string asked = framed(request);
  std::uint32_t size = 0;
  Moved moved = connection.write_all(asked.data(), asked.size());
  if (moved == Moved::all) {
    moved = connection.read_all(reinterpret_cast<char*>(&size), sizeof size);
  }
  if (moved != Moved::all) return no_answer(moved, socket, patience);
  if (auto fits = check_size(size, socket.string()); !fits) return fits.error();
  std::string text(size, '\0');
  moved = connection.read_all(text.data(), text.size());
  if (moved != Moved::all) return no_answer(moved, socket, patience);
  return parsed(text, socket.string());
}

Result<Subscription> Subscription::open(const std::filesystem::path& socket,
                                        const control::Request& request) {
  constexpr std::chrono::seconds kPatience{5};
  Connection connection(kPatience);
  if (!connection.connect(socket.string())) return nobody_on(socket);
  const std::string asked = framed(request);
  const Moved moved = connection.write_all(asked.data(), asked.size());
  if (moved != Moved::all) return no_answer(moved, socket, kPatience);
  return Subscription(connection.release(), socket.string());
}

Subscription::~Subscription() {
  if (fd_ >= 0) ::close(fd_);
}

Subscription::Subscription(Subscription&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      socket_(std::move(other.socket_)),
      heard_(std::move(other.heard_)),
      answered_(other.answered_),
      over_(other.over_) {}

Result<std::vector<control::Reply>> Subscription::read() {
  std::array<char, 65536> chunk;
  const ssize_t got = ::recv(fd_, chunk.data(), chunk.size(), MSG_DONTWAIT);
  const bool nothing_yet = got < 0 && (errno == EAGAIN || errno == EINTR);
  over_ = got <= 0 && !nothing_yet;
  // A reset, and no end: the request was not read, so the daemon never followed it.
  if (got < 0 && over_ && !answered_) return unanswered(socket_);
  answered_ = answered_ || got > 0;
  if (got > 0) heard_.append(chunk.data(), static_cast<std::size_t>(got));
  std::vector<control::Reply> replies;
  std::uint32_t size = 0;
  while (heard_.size() >= sizeof size) {
    std::memcpy(&size, heard_.data(), sizeof size);
    if (auto fits = check_size(size, socket_); !fits) return fits.error();
    if (heard_.size() - sizeof size < size) break;
    auto reply = parsed(heard_.substr(sizeof size, size), socket_);
    if (!reply) return reply.error();
    replies.push_back(std::move(*reply));
    heard_.erase(0, sizeof size + size);
  }
  return replies;
}

}  // namespace starling::daemon
