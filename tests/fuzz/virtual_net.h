// Stream sockets of one process, and Asio's way to wait for them, as Linux has them (tcp(7),
// unix(7), epoll(7)) as far as the targets go: connected at once, in order, without loss, and the
// same at every run. virtual_sockets.cc puts them in place of the kernel's.
//
// Calls give what the kernel's give; where those give -1 and set errno, these give -errno. None
// ever waits: what would have to is a broken invariant.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace starling::fuzz {

class VirtualNet {
 public:
  // Numbers far from any that the kernel gives.
  static constexpr int kSockets = 1 << 20, kPolls = kSockets + (1 << 16);
  // What lies between two ends, by default and where SO_SNDBUF asks for less than there is.
  static constexpr std::size_t kCapacity = 200'000, kCapacityMin = 2048;

  bool has(int fd) const { return socket(fd) || poll_of(fd); }

  int open(int family, bool blocks);
  void pair(std::span<int, 2> ends, bool blocks);
  int bind(int fd, const sockaddr* address, socklen_t size);
  int listen(int fd);
  int connect(int fd, const sockaddr* address, socklen_t size);
  int accept(int fd, bool blocks);
  // From the `at`th byte of the parts on: as many as there is room for.
  ssize_t write(int fd, std::span<const iovec> parts, bool waits);
  ssize_t read(int fd, std::span<const iovec> parts, bool waits);
  int shut_writing(int fd);
  int close(int fd);
  void set_blocks(int fd, bool blocks);
  void set_capacity(int fd, int bytes);
  void set_resets(int fd, bool resets);
  int take_error(int fd);
  int name(int fd, sockaddr* address, socklen_t* size) const;
  int peer_name(int fd, sockaddr* address, socklen_t* size) const;
  // What is ready on it, of EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP.
  std::uint32_t ready(int fd) const;

  int open_poll();
  // Of a descriptor of the kernel it says once that it can be read: such is Asio's interrupter.
  int control(int poll, int operation, int fd, const epoll_event* event);
  // Each edge once (EPOLLET).
  int wait(int poll, std::span<epoll_event> events);

 private:
  struct Address {
    int family = AF_UNSPEC;
    std::uint16_t port = 0;  // of AF_INET, on loopback
    std::string path = {};
    bool operator==(const Address&) const = default;
  };
  enum class State { idle, listening, connected, refused, over };
  struct Watch {
    int poll;
    epoll_event event;
  };
  struct Socket {
    int family;
    bool blocks;
    State state = State::idle;
    std::optional<Address> name = {}, peer_name = {};
    int peer = -1;           // its descriptor
    std::string in = {};     // what has come
    std::size_t read = 0;    // of it, already
    bool heard_end = false;  // no more will come
    bool said_end = false;
    int error = 0;
    std::size_t capacity = kCapacity;  // of what it says
    bool resets = false;               // when it is closed
    std::deque<int> waiting = {};      // of a listener
    std::optional<Watch> watch = {};

    std::size_t unread() const { return in.size() - read; }
  };
  struct Poll {
    struct Foreign {
      int fd;
      epoll_event event;
    };
    std::vector<Foreign> foreign = {};
    std::deque<int> queue = {};  // of what may be ready
  };

  Socket* socket(int fd) const;
  Poll* poll_of(int fd) const;
  int add(Socket socket);
  // Its descriptor; negative: none.
  int listener(const Address& address) const;
  std::uint16_t free_port() const;
  void join(Socket& one, int one_fd, Socket& other, int other_fd);
  std::size_t room(const Socket& socket) const;
  // By a peer that hears nothing any more.
  void reset(Socket& socket);
  void changed(const Socket& socket, int fd);
  static std::optional<Address> parse(const sockaddr* address, socklen_t size);
  static int write_address(const std::optional<Address>& from, sockaddr* to, socklen_t* size);

  std::vector<std::unique_ptr<Socket>> sockets_;
  std::vector<std::unique_ptr<Poll>> polls_;
};

}  // namespace starling::fuzz
