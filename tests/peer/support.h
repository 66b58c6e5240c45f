// Nodes on loopback for the tests of peer/: several Links in one io_context, and a raw socket that
// plays a peer by hand. Tests wait by running the io_context, never by sleeping.
#pragma once

#include <fmt/format.h>
#include <spdlog/sinks/ostream_sink.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "peer/links.h"
#include "peer/net.h"
#include "peer/tls.h"
#include "peer/wire.h"
#include "protocol/peer.pb.h"

namespace starling::peer::test {

using std::chrono::milliseconds;

// A port that nobody else gets while this lives: bound, but not listened on, so that a Links, which
// reuses addresses as well, can.
class FreePort {
 public:
  FreePort() : holder_(io_, Tcp::v4()) {
    holder_.set_option(Tcp::acceptor::reuse_address(true));
    holder_.bind(Tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  }
  std::uint16_t number() const { return holder_.local_endpoint().port(); }
  std::string address() const { return fmt::format("127.0.0.1:{}", number()); }

 private:
  asio::io_context io_;
  Tcp::acceptor holder_;
};

// Runs `io` until `wanted` holds; false after `limit`.
inline bool run_until(asio::io_context& io, const std::function<bool()>& wanted,
                      Duration limit = std::chrono::seconds{10}) {
  const auto deadline = Clock::now() + limit;
  while (!wanted()) {
    if (Clock::now() >= deadline) return false;
    io.run_one_for(milliseconds{5});
  }
  return true;
}

inline void run_for(asio::io_context& io, Duration time) {
  (void)run_until(
      io, [] { return false; }, time);
}

inline SharedBytes bytes_of(std::size_t size, unsigned char seed) {
  ByteBlock block(size);
  for (std::size_t i = 0; i < size; ++i) {
    block.bytes()[i] = static_cast<std::byte>(static_cast<unsigned char>(seed + i * 7 + i / 251));
  }
  return block;
}

struct Frame {
  NodeId from;
  FrameHeader header;
  SharedBytes body;
};

struct Sketch {
  NodeId from;
  Round rounds;
  SharedBytes bytes;
};

// One node: its Links, and all that they told.
class Node : public PeerEvents {
 public:
  Node(asio::io_context& io, LinkOptions options)
      : log_(std::make_shared<spdlog::logger>(
            options.self_name, std::make_shared<spdlog::sinks::ostream_sink_st>(lines_))),
        links_(std::make_unique<Links>(io, std::move(options), *this, log_)) {
    log_->set_level(spdlog::level::debug);
  }

  void peer_up(NodeId peer, Epoch epoch, const ToldRounds& rounds) override {
    told.push_back(fmt::format("up {} epoch {}", index_of(peer), epoch));
    last_told = rounds;
  }
  void peer_down(NodeId peer, std::string reason) override {
    told.push_back(fmt::format("down {}: {}", index_of(peer), reason));
  }
  void peer_left(NodeId /*peer*/) override { left.push_back(told.back()); }
  void differs(NodeId peer, std::string field, std::string theirs) override {
    differences.insert(fmt::format("n{}: {} is {}", index_of(peer), field, theirs));
  }
  void received(NodeId peer, const FrameHeader& header, SharedBytes body) override {
    const std::size_t size = body.size();
    frames.push_back({peer, header, std::move(body)});
    if (consumes) links_->consumed(peer, size);
  }

  void sketched(NodeId peer, Round rounds, SharedBytes sketch) override {
    sketches.push_back({peer, rounds, std::move(sketch)});
  }

  Links& operator*() { return *links_; }
  Links* operator->() { return links_.get(); }
  void kill() { links_.reset(); }  // as a process that dies: no goodbye
  LinkStatus status(std::size_t index = 0) const { return links_->status()[index]; }
  bool up(std::size_t index = 0) const { return status(index).state == LinkState::up; }
  std::string log() const { return lines_.str(); }
  // And all that was told.
  void forget() {
    lines_.str("");
    told.clear();
  }

  std::vector<std::string> told;
  std::vector<std::string> left;  // what was told when a neighbor was said to have left
  std::vector<Frame> frames;
  std::vector<Sketch> sketches;
  std::set<std::string> differences;
  ToldRounds last_told;
  bool consumes = true;

 private:
  std::ostringstream lines_;
  std::shared_ptr<spdlog::logger> log_;
  std::unique_ptr<Links> links_;
};

// A key for each of n nodes.
class Keys {
 public:
  explicit Keys(std::size_t nodes) {
    for (std::size_t i = 0; i < nodes; ++i) keys_.push_back(PrivateKey::make());
  }
  const PrivateKey& operator[](std::size_t i) const { return keys_[i]; }

  // What the node has and pins under TLS.
  LinkOptions applied_to(LinkOptions options) const {
    options.tls = std::make_shared<const Tls>(keys_[index_of(options.self)]);
    for (Neighbor& neighbor : options.neighbors) {
      neighbor.keys = {keys_[index_of(neighbor.id)].pin()};
    }
    return options;
  }

 private:
  std::vector<PrivateKey> keys_;
};

// Names and addresses of n nodes that are all neighbors.
class Flock {
 public:
  explicit Flock(std::size_t nodes, bool tls = false) {
    if (tls) keys_.emplace(nodes);
    for (std::size_t i = 0; i < nodes; ++i) ports_.push_back(std::make_unique<FreePort>());
  }

  std::string address(std::size_t i) const { return ports_[i]->address(); }
  std::uint16_t port(std::size_t i) const { return ports_[i]->number(); }

  LinkOptions options(std::size_t self) const {
    LinkOptions o;
    o.self = node_id(self);
    o.self_name = fmt::format("n{}", self);
    o.listen_address = address(self);
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      if (i != self) o.neighbors.push_back({node_id(i), fmt::format("n{}", i), address(i)});
    }
    o.fingerprint = {{"run", "test"}, {"model", "mlp 64-128-10"}, {"seed", "7"}};
    o.body_bytes_max = 1 << 20;
    o.seed = 7;
    return keys_ ? keys_->applied_to(o) : o;
  }

  const Keys& keys() const { return *keys_; }

 private:
  std::vector<std::unique_ptr<FreePort>> ports_;
  std::optional<Keys> keys_;
};

// A peer played by hand.
class RawPeer {
 public:
  RawPeer(asio::io_context& io, std::uint16_t port, const std::string& from = "127.0.0.1");

  void send_bytes(std::span<const std::byte> bytes);
  void send(FrameHeader header, const std::string& message = "", const std::string& body = "");
  void send_message(FrameType type, Epoch epoch, const google::protobuf::MessageLite& message);
  // The next frame from the node; nothing: it closed the connection, or `limit` passed.
  std::optional<std::pair<FrameHeader, std::string>> next(Duration limit = std::chrono::seconds{5});
  // Runs until the node has closed the connection, frames before that are dropped.
  bool closed(Duration limit = std::chrono::seconds{5});
  // Plays the dialler of the node with these options up to the first Heartbeat; the epoch agreed.
  Epoch shake_hands(const LinkOptions& as, const std::string& wanted);
  Tcp::socket& socket() { return socket_; }

 private:
  bool read(std::span<std::byte> into, Clock::time_point deadline);
  asio::io_context& io_;
  Tcp::socket socket_;
};

// Memory of this process.
std::uint64_t resident_bytes();
// Whether it took less than `limit` bytes more than `before`. Under a sanitizer, which keeps for a
// while what was freed, it always did.
bool grew_less(std::uint64_t before, std::uint64_t limit);

wire::Hello hello_of(const LinkOptions& as, const std::string& wanted);

}  // namespace starling::peer::test
