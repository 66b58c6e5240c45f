#include "virtual_net.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/check.h"

namespace starling::fuzz {
namespace {

// The lowest free place, as of descriptors.
template <class T>
int place(std::vector<std::unique_ptr<T>>& all, T one) {
  auto at = std::ranges::find_if(all, [](const auto& held) { return !held; });
  if (at == all.end()) at = all.insert(all.end(), nullptr);
  *at = std::make_unique<T>(std::move(one));
  return static_cast<int>(at - all.begin());
}

template <class T>
T* find(const std::vector<std::unique_ptr<T>>& all, int at) {
  const bool is_there = at >= 0 && static_cast<std::size_t>(at) < all.size();
  return is_there ? all[static_cast<std::size_t>(at)].get() : nullptr;
}

}  // namespace

VirtualNet::Socket* VirtualNet::socket(int fd) const { return find(sockets_, fd - kSockets); }
VirtualNet::Poll* VirtualNet::poll_of(int fd) const { return find(polls_, fd - kPolls); }
int VirtualNet::add(Socket socket) { return kSockets + place(sockets_, std::move(socket)); }

// ---- addresses ----------------------------------------------------------------------------------

std::optional<VirtualNet::Address> VirtualNet::parse(const sockaddr* address, socklen_t size) {
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    if (in.sin_addr.s_addr != htonl(INADDR_LOOPBACK)) return std::nullopt;
    return Address{.family = AF_INET, .port = ntohs(in.sin_port)};
  }
  if (address->sa_family != AF_UNIX) return std::nullopt;
  sockaddr_un un{};
  std::memcpy(&un, address, std::min<std::size_t>(size, sizeof un - 1));
  return Address{.family = AF_UNIX, .path = un.sun_path};
}

int VirtualNet::write_address(const std::optional<Address>& from, sockaddr* to, socklen_t* size) {
  sockaddr_storage out{};
  socklen_t length = sizeof out.ss_family;
  out.ss_family = AF_UNIX;  // without a path where it has none
  if (from && from->family == AF_INET) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(from->port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::memcpy(&out, &in, length = sizeof in);
  }
  std::memcpy(to, &out, std::min(*size, length));
  *size = length;
  return 0;
}

int VirtualNet::listener(const Address& address) const {
  const auto found = std::ranges::find_if(sockets_, [&](const auto& one) {
    return one && one->state == State::listening && one->name == address;
  });
  return found == sockets_.end() ? -1 : kSockets + static_cast<int>(found - sockets_.begin());
}

std::uint16_t VirtualNet::free_port() const {
  std::uint16_t port = 32768;
  const auto is_taken = [&port](const auto& one) {
    return one && one->name && one->name->port == port;
  };
  while (std::ranges::any_of(sockets_, is_taken)) ++port;
  return port;
}

int VirtualNet::name(int fd, sockaddr* address, socklen_t* size) const {
  return write_address(socket(fd)->name, address, size);
}

int VirtualNet::peer_name(int fd, sockaddr* address, socklen_t* size) const {
  const Socket& it = *socket(fd);
  if (it.state != State::connected) return -ENOTCONN;
  return write_address(it.peer_name, address, size);
}

// ---- connections --------------------------------------------------------------------------------

int VirtualNet::open(int family, bool blocks) {
  if (family != AF_INET && family != AF_UNIX) return -EAFNOSUPPORT;
  return add({.family = family, .blocks = blocks});
}

void VirtualNet::join(Socket& one, int one_fd, Socket& other, int other_fd) {
  one.state = other.state = State::connected;
  one.peer = other_fd;
  other.peer = one_fd;
  one.peer_name = other.name;
  other.peer_name = one.name;
}

void VirtualNet::pair(std::span<int, 2> ends, bool blocks) {
  for (int& end : ends) end = open(AF_UNIX, blocks);
  join(*socket(ends[0]), ends[0], *socket(ends[1]), ends[1]);
}

int VirtualNet::bind(int fd, const sockaddr* address, socklen_t size) {
  auto name = parse(address, size);
  if (!name) return -EADDRNOTAVAIL;
  if (name->family == AF_INET && name->port == 0) name->port = free_port();
  if (listener(*name) >= 0) return -EADDRINUSE;
  socket(fd)->name = std::move(name);
  return 0;
}

int VirtualNet::listen(int fd) {
  socket(fd)->state = State::listening;
  return 0;
}

int VirtualNet::connect(int fd, const sockaddr* address, socklen_t size) {
  Socket* const it = socket(fd);
  const auto to = parse(address, size);
  if (!to) return -ENETUNREACH;
  if (it->state != State::idle) return -EISCONN;
  if (it->family == AF_INET && !it->name) {
    it->name = Address{.family = AF_INET, .port = free_port()};
  }
  const int there = listener(*to);
  const bool at_once = it->blocks || it->family == AF_UNIX;
  if (there < 0) {
    if (at_once) return -ECONNREFUSED;
    it->state = State::refused;
    it->error = ECONNREFUSED;
    changed(*it, fd);
    return -EINPROGRESS;
  }
  const int other_fd = add({.family = it->family, .blocks = true});
  Socket& other = *socket(other_fd);
  other.name = *to;
  join(*it, fd, other, other_fd);
  socket(there)->waiting.push_back(other_fd);
  changed(*socket(there), there);
  changed(*it, fd);
  return at_once ? 0 : -EINPROGRESS;
}

int VirtualNet::accept(int fd, bool blocks) {
  Socket& it = *socket(fd);
  if (it.state != State::listening) return -EINVAL;
  if (it.waiting.empty()) {
    INVARIANT(!it.blocks);
    return -EAGAIN;
  }
  const int accepted = it.waiting.front();
  it.waiting.pop_front();
  socket(accepted)->blocks = blocks;
  return accepted;
}

void VirtualNet::reset(Socket& it) {
  // Behind the end of what it hears, TCP tells a writer alone.
  if (!it.heard_end || it.family == AF_UNIX) it.error = ECONNRESET;
  it.heard_end = it.said_end = true;
  it.peer = -1;
  it.state = State::over;
}

int VirtualNet::close(int fd) {
  if (poll_of(fd)) {
    polls_[static_cast<std::size_t>(fd - kPolls)] = nullptr;
    return 0;
  }
  const std::unique_ptr<Socket> it =
      std::exchange(sockets_[static_cast<std::size_t>(fd - kSockets)], nullptr);
  for (const int left : it->waiting) {
    socket(left)->resets = true;
    close(left);
  }
  if (it->watch) std::erase(poll_of(it->watch->poll)->queue, fd);
  Socket* const peer = socket(it->peer);
  if (!peer) return 0;
  peer->peer = -1;
  if (it->unread() > 0 || (it->resets && it->family == AF_INET)) {
    reset(*peer);
  } else {
    peer->heard_end = true;
    // To write on one finds out; a Unix socket knows at once.
    if (it->family == AF_UNIX) peer->said_end = true;
  }
  changed(*peer, it->peer);
  return 0;
}

int VirtualNet::shut_writing(int fd) {
  Socket& it = *socket(fd);
  if (it.state != State::connected) return -ENOTCONN;
  it.said_end = true;
  if (Socket* const peer = socket(it.peer)) {
    peer->heard_end = true;
    changed(*peer, it.peer);
  }
  changed(it, fd);
  return 0;
}

// ---- bytes --------------------------------------------------------------------------------------

std::size_t VirtualNet::room(const Socket& it) const {
  const Socket* const peer = socket(it.peer);
  if (!peer) return it.capacity;
  return it.capacity - std::min(it.capacity, peer->unread());
}

ssize_t VirtualNet::write(int fd, std::span<const iovec> parts, bool waits) {
  Socket& it = *socket(fd);
  if (it.error != 0 && it.family == AF_INET) return -std::exchange(it.error, 0);
  if (it.said_end || it.state != State::connected) return -EPIPE;
  Socket* const peer = socket(it.peer);
  std::size_t room = this->room(it), wrote = 0, wanted = 0;
  for (const iovec& part : parts) {
    const std::size_t step = std::min(part.iov_len, room - wrote);
    if (peer) peer->in.append(static_cast<const char*>(part.iov_base), step);
    wrote += step;
    wanted += part.iov_len;
  }
  if (!peer) {
    // Nobody is there: the answer is a reset.
    reset(it);
    changed(it, fd);
  } else if (wrote > 0) {
    changed(*peer, it.peer);
  } else if (wanted > 0) {
    INVARIANT(!waits || !it.blocks);
    return -EAGAIN;
  }
  return static_cast<ssize_t>(wrote);
}

ssize_t VirtualNet::read(int fd, std::span<const iovec> parts, bool waits) {
  Socket& it = *socket(fd);
  if (it.state == State::idle || it.state == State::listening) return -ENOTCONN;
  if (it.unread() == 0) {
    if (it.error != 0) return -std::exchange(it.error, 0);
    if (it.heard_end) return 0;
    INVARIANT(!waits || !it.blocks);
    return -EAGAIN;
  }
  std::size_t got = 0;
  for (const iovec& part : parts) {
    const std::size_t step = std::min(part.iov_len, it.unread());
    std::memcpy(part.iov_base, it.in.data() + it.read, step);
    it.read += step;
    got += step;
  }
  if (it.unread() == 0) {
    it.in.clear();
    it.read = 0;
  }
  if (const Socket* const peer = socket(it.peer)) changed(*peer, it.peer);
  return static_cast<ssize_t>(got);
}

// ---- settings -----------------------------------------------------------------------------------

void VirtualNet::set_blocks(int fd, bool blocks) { socket(fd)->blocks = blocks; }
void VirtualNet::set_resets(int fd, bool resets) { socket(fd)->resets = resets; }
void VirtualNet::set_capacity(int fd, int bytes) {
  socket(fd)->capacity = std::max(kCapacityMin, static_cast<std::size_t>(std::max(bytes, 0)));
}
int VirtualNet::take_error(int fd) { return std::exchange(socket(fd)->error, 0); }

// ---- waiting ------------------------------------------------------------------------------------

std::uint32_t VirtualNet::ready(int fd) const {
  const Socket* const it = socket(fd);
  if (!it) return EPOLLIN;
  if (it->state == State::listening) return it->waiting.empty() ? 0u : std::uint32_t{EPOLLIN};
  if (it->state == State::idle) return EPOLLOUT | EPOLLHUP;
  std::uint32_t mask = 0;
  const bool is_over = it->state != State::connected;
  if (it->unread() > 0 || it->heard_end || is_over) mask |= EPOLLIN;
  if (it->said_end || is_over || room(*it) > 0) mask |= EPOLLOUT;
  if ((it->heard_end && it->said_end) || is_over) mask |= EPOLLHUP;
  if (it->error != 0) mask |= EPOLLERR;
  return mask;
}

int VirtualNet::open_poll() { return kPolls + place(polls_, Poll{}); }

void VirtualNet::changed(const Socket& it, int fd) {
  Poll* const poll = it.watch ? poll_of(it.watch->poll) : nullptr;
  if (!poll) return;
  std::deque<int>& queue = poll->queue;
  if (std::ranges::find(queue, fd) == queue.end()) queue.push_back(fd);
}

int VirtualNet::control(int poll_fd, int operation, int fd, const epoll_event* event) {
  Poll& poll = *poll_of(poll_fd);
  Socket* const it = socket(fd);
  std::erase(poll.queue, fd);
  if (!it) std::erase_if(poll.foreign, [fd](const auto& one) { return one.fd == fd; });
  if (operation == EPOLL_CTL_DEL) {
    if (it) it->watch.reset();
    return 0;
  }
  if (it) {
    it->watch = Watch{poll_fd, *event};
  } else {
    poll.foreign.push_back({fd, *event});
  }
  poll.queue.push_back(fd);
  return 0;
}

int VirtualNet::wait(int poll_fd, std::span<epoll_event> events) {
  Poll& poll = *poll_of(poll_fd);
  std::size_t told = 0;
  while (!poll.queue.empty() && told < events.size()) {
    const int fd = poll.queue.front();
    poll.queue.pop_front();
    const Socket* const it = socket(fd);
    const auto foreign = std::ranges::find(poll.foreign, fd, &Poll::Foreign::fd);
    if (!it && foreign == poll.foreign.end()) continue;
    epoll_event event = it ? it->watch->event : foreign->event;
    event.events = ready(fd) & (event.events | EPOLLERR | EPOLLHUP);
    if (event.events != 0) events[told++] = event;
  }
  return static_cast<int>(told);
}

}  // namespace starling::fuzz
