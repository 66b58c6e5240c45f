#include "daemon/control_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace starling::daemon {
namespace {

constexpr std::uint32_t kReplyBytesMax = 1 << 20;

// A blocking socket with a time limit on each read and write, closed at the end.
class Connection {
 public:
  explicit Connection(Duration patience) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(patience).count();
    const timeval limit{us / 1'000'000, us % 1'000'000};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  ~Connection() { ::close(fd_); }
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

  bool write_all(const char* data, std::size_t size) {
    while (size > 0) {
      const ssize_t wrote = ::send(fd_, data, size, MSG_NOSIGNAL);
      if (wrote <= 0) return false;
      data += wrote;
      size -= static_cast<std::size_t>(wrote);
    }
    return true;
  }

  bool read_all(char* data, std::size_t size) {
    while (size > 0) {
      const ssize_t got = ::recv(fd_, data, size, 0);
      if (got <= 0) return false;
      data += got;
      size -= static_cast<std::size_t>(got);
    }
    return true;
  }

 private:
  int fd_;
};

}  // namespace

Result<control::Reply> ask(const std::filesystem::path& socket, const control::Request& request,
                           Duration patience) {
  Connection connection(patience);
  if (!connection.connect(socket.string())) {
    return Error{ErrorCode::no_daemon,
                 fmt::format("no daemon answers on {}: {}", socket.string(), std::strerror(errno))};
  }
  const std::string message = request.SerializeAsString();
  const auto size = static_cast<std::uint32_t>(message.size());
  std::uint32_t reply_size = 0;
  const Error silent{ErrorCode::io, fmt::format("the daemon on {} gave no answer within {:.1f} s",
                                                socket.string(), seconds(patience))};
  if (!connection.write_all(reinterpret_cast<const char*>(&size), sizeof size) ||
      !connection.write_all(message.data(), message.size()) ||
      !connection.read_all(reinterpret_cast<char*>(&reply_size), sizeof reply_size)) {
    return silent;
  }
  if (reply_size > kReplyBytesMax) {
    return Error{ErrorCode::io, fmt::format("the daemon on {} announced a reply of {} bytes, "
                                            "expected at most {}",
                                            socket.string(), reply_size, kReplyBytesMax)};
  }
  std::string text(reply_size, '\0');
  if (!connection.read_all(text.data(), text.size())) return silent;
  control::Reply reply;
  if (!reply.ParseFromString(text)) {
    return Error{ErrorCode::io,
                 fmt::format("the daemon on {} sent no message of control.proto", socket.string())};
  }
  if (reply.has_error()) {
    return Error{ErrorCode::io, fmt::format("the daemon on {} answered: {}", socket.string(),
                                            reply.error().text())};
  }
  return reply;
}

}  // namespace starling::daemon
