// The sockets of virtual_net.h in place of the kernel's, for the whole program that this is linked
// to: what it defines itself goes before the C library, and before the sanitizers' wrappers, which
// the memory that these calls touch needs none of. Descriptors of the kernel go on to the kernel.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <span>

#include "virtual_net.h"

namespace {

using starling::fuzz::VirtualNet;

// Never destroyed: a socket may be closed behind the end of main().
VirtualNet& net() {
  static auto& all = *new VirtualNet;
  return all;
}

// As the C library tells a failure.
template <class T>
T told(T result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

bool is_ours(int fd) { return net().has(fd); }
bool blocks(int type) { return (type & SOCK_NONBLOCK) == 0; }
bool waits(int flags) { return (flags & MSG_DONTWAIT) == 0; }

template <class T>
void answer(const T& value, void* to, socklen_t* size) {
  *size = std::min(*size, static_cast<socklen_t>(sizeof value));
  std::memcpy(to, &value, *size);
}

}  // namespace

extern "C" {

int socket(int family, int type, int) noexcept { return told(net().open(family, blocks(type))); }

int socketpair(int, int type, int, int ends[2]) noexcept {
  net().pair(std::span<int, 2>(ends, 2), blocks(type));
  return 0;
}

int bind(int fd, const sockaddr* address, socklen_t size) noexcept {
  return told(net().bind(fd, address, size));
}

int listen(int fd, int) noexcept { return told(net().listen(fd)); }

int connect(int fd, const sockaddr* address, socklen_t size) {
  return told(net().connect(fd, address, size));
}

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  const int accepted = told(net().accept(fd, blocks(flags)));
  if (accepted >= 0 && address) (void)net().peer_name(accepted, address, size);
  return accepted;
}

int accept(int fd, sockaddr* address, socklen_t* size) { return accept4(fd, address, size, 0); }

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  return told(net().write(fd, {message->msg_iov, message->msg_iovlen}, waits(flags)));
}

ssize_t send(int fd, const void* data, std::size_t size, int flags) {
  const iovec part{const_cast<void*>(data), size};
  return told(net().write(fd, {&part, 1}, waits(flags)));
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  message->msg_flags = 0;
  return told(net().read(fd, {message->msg_iov, message->msg_iovlen}, waits(flags)));
}

ssize_t recv(int fd, void* data, std::size_t size, int flags) {
  const iovec part{data, size};
  return told(net().read(fd, {&part, 1}, waits(flags)));
}

int shutdown(int fd, int how) noexcept {
  return told(how == SHUT_WR ? net().shut_writing(fd) : -EINVAL);
}

int close(int fd) {
  return is_ours(fd) ? net().close(fd) : static_cast<int>(::syscall(SYS_close, fd));
}

int getsockname(int fd, sockaddr* address, socklen_t* size) noexcept {
  return told(net().name(fd, address, size));
}

int getpeername(int fd, sockaddr* address, socklen_t* size) noexcept {
  return told(net().peer_name(fd, address, size));
}

int setsockopt(int fd, int level, int name, const void* value, socklen_t) noexcept {
  if (level == SOL_SOCKET && name == SO_LINGER) {
    const auto* const how = static_cast<const linger*>(value);
    net().set_resets(fd, how->l_onoff != 0 && how->l_linger == 0);
  } else if (level == SOL_SOCKET && name == SO_SNDBUF) {
    net().set_capacity(fd, *static_cast<const int*>(value));
  }
  return 0;  // of what the others do there is nothing here
}

int getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept {
  if (level == SOL_SOCKET && name == SO_ERROR) {
    answer(net().take_error(fd), value, size);
  } else if (level == SOL_SOCKET && name == SO_PEERCRED) {
    answer(ucred{::getpid(), ::getuid(), ::getgid()}, value, size);
  } else {
    return told(-ENOPROTOOPT);
  }
  return 0;
}

int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (!is_ours(fd)) return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
  if (request != FIONBIO) return told(-EINVAL);
  net().set_blocks(fd, *static_cast<const int*>(argument) == 0);
  return 0;
}

int poll(pollfd* all, nfds_t count, int timeout) {
  if (count != 1 || !is_ours(all->fd)) {
    return static_cast<int>(::syscall(SYS_poll, all, count, timeout));
  }
  static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR);
  const auto ready = net().ready(all->fd);
  all->revents =
      static_cast<short>(ready & (static_cast<unsigned>(all->events) | EPOLLERR | EPOLLHUP));
  return all->revents != 0;
}

int epoll_create1(int) noexcept { return net().open_poll(); }

int epoll_ctl(int poll, int operation, int fd, epoll_event* event) noexcept {
  return told(net().control(poll, operation, fd, event));
}

int epoll_wait(int poll, epoll_event* events, int count, int) {
  return told(net().wait(poll, {events, static_cast<std::size_t>(count)}));
}

}  // extern "C"
