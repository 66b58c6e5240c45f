// The neighbors of a node, its owner, and what each of them has to hear.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "peer/links.h"
#include "protocol/check.h"
#include "protocol/peer.pb.h"
#include "session_model.h"

namespace starling::fuzz {

inline constexpr std::size_t kBodyMax = 300;

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A port of this process; with a listener, or free for one.
class Port {
 public:
  explicit Port(bool listens)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    const int on = 1;
    ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    INVARIANT(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    INVARIANT(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    number_ = ntohs(address.sin_port);
    if (listens) INVARIANT(::listen(socket_, 64) == 0);
  }
  std::uint16_t number() const { return number_; }
  std::string address() const { return fmt::format("127.0.0.1:{}", number_); }
  // A connection that waits; negative: none does.
  int accept() const { return ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC); }

 private:
  int socket_;
  std::uint16_t number_ = 0;
};

// One end of a connection to the node.
class Line {
 public:
  enum class Dialler { neighbor, node };

  Line(int socket, std::size_t neighbor_, Dialler dialler_)
      : neighbor(neighbor_), dialler(dialler_), socket_(socket) {
    // Closing resets, so that a million of them leave no trace in the kernel.
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  ~Line() { ::close(socket_); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void say(std::string_view bytes) {
    (void)::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  void shut() { ::shutdown(socket_, SHUT_WR); }
  // What has come are whole frames, and nothing comes behind a last word.
  void listen() {
    std::array<char, 4096> buffer;
    ssize_t got = 0;
    while ((got = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0) {
      in_.append(buffer.data(), static_cast<std::size_t>(got));
    }
    while (in_.size() >= kFrameHeaderBytes) {
      const auto header = decode_header(bytes_of(in_).first<kFrameHeaderBytes>(), {4096, kBodyMax});
      INVARIANT(header && !over_);
      const std::size_t whole = kFrameHeaderBytes + header->message_bytes + header->body_bytes;
      if (in_.size() < whole) return;
      const std::string message = in_.substr(kFrameHeaderBytes, header->message_bytes);
      const std::string body = in_.substr(whole - header->body_bytes, header->body_bytes);
      INVARIANT(hash_payload(bytes_of(message), bytes_of(body)) == header->payload_hash);
      in_.erase(0, whole);
      take(*header, message);
    }
  }

  const std::size_t neighbor;  // that plays this end
  const Dialler dialler;
  Epoch epoch = 0;    // as agreed here
  Sequence next = 0;  // of what it says

 private:
  void take(const FrameHeader& header, const std::string& message) {
    over_ = header.type == FrameType::goodbye || header.type == FrameType::refusal;
    if (header.type == FrameType::welcome) {
      wire::Welcome welcome;
      INVARIANT(welcome.ParseFromString(message) && welcome.node() == "n1");
      epoch = welcome.epoch();
    } else if (header.type == FrameType::hello) {
      wire::Hello hello;
      INVARIANT(hello.ParseFromString(message) && hello.node() == "n1");
      epoch = hello.last_epoch() + 1;
    } else if (header.type >= FrameType::exchange) {
      INVARIANT(header.sequence == heard_++ && header.epoch == epoch);
    }
  }

  const int socket_;
  std::string in_;
  Sequence heard_ = 0;
  bool over_ = false;
};

// What the node's owner is told, and whether it may be.
class Owner final : public peer::PeerEvents {
 public:
  struct Edge {
    bool offered = false;  // the neighbor has once said all that it takes
    bool up = false;
    Epoch epoch = 0;
    Sequence next = 0;
    std::uint64_t unread = 0;
  };

  void peer_up(NodeId peer, Epoch epoch, const peer::ToldRounds&) override {
    Edge& edge = edges[index_of(peer)];
    INVARIANT(edge.offered && !edge.up && epoch > edge.epoch);
    edge.up = true;
    edge.epoch = epoch;
    edge.next = 0;
  }
  void peer_down(NodeId peer, std::string reason) override {
    Edge& edge = edges[index_of(peer)];
    INVARIANT(edge.up && !reason.empty());
    edge.up = false;
  }
  void received(NodeId peer, const FrameHeader& header, SharedBytes body) override {
    Edge& edge = edges[index_of(peer)];
    INVARIANT(edge.up && header.epoch == edge.epoch && header.sequence == edge.next++);
    INVARIANT(body.size() == header.body_bytes && body.size() <= kBodyMax);
    edge.unread += body.size();
  }

  void sketched(NodeId peer, Round, SharedBytes sketch) override {
    INVARIANT(edges[index_of(peer)].up);
    INVARIANT(sketch.size() > 0 && sketch.size() <= FrameLimits{}.message_bytes_max);
  }

  std::array<Edge, 3> edges;
};

}  // namespace starling::fuzz
