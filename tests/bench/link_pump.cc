#include "link_pump.h"

#include <fmt/format.h>
#include <spdlog/sinks/null_sink.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include "peer/links.h"
#include "peer/tls.h"

namespace starling::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kInFlight = 2;  // bodies sent and without receipt: as many as a link queues

std::uint16_t free_port() {
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  return acceptor.local_endpoint().port();
}

peer::LinkOptions options_of(std::size_t self, const std::uint16_t (&ports)[2],
                             std::uint64_t body_bytes, const std::vector<peer::PrivateKey>& keys) {
  const std::size_t other = 1 - self;
  peer::LinkOptions options;
  options.self = node_id(self);
  options.self_name = fmt::format("n{}", self);
  options.listen_address = fmt::format("127.0.0.1:{}", ports[self]);
  options.neighbors = {
      {node_id(other), fmt::format("n{}", other), fmt::format("127.0.0.1:{}", ports[other])}};
  if (!keys.empty()) {
    options.tls = std::make_shared<const peer::Tls>(keys[self]);
    options.neighbors[0].keys = {keys[other].pin()};
  }
  options.body_bytes_max = body_bytes;
  return options;
}

// Everything of one end; lives on its own thread.
class End : public peer::PeerEvents {
 public:
  End(peer::LinkOptions options, Clock::duration time)
      : body_bytes_(options.body_bytes_max),
        sends_(index_of(options.self) == 0),
        time_(time),
        links_(io_, std::move(options), *this,
               std::make_shared<spdlog::logger>("bench",
                                                std::make_shared<spdlog::sinks::null_sink_mt>())) {}

  void run() {
    if (const auto listening = links_.listen(); !listening) {
      fmt::print(stderr, "{}\n", listening.error().message);
      std::exit(1);
    }
    links_.start();
    io_.run();
  }
  double gigabytes_per_second() const { return rate_; }

  void peer_up(NodeId, Epoch epoch, const peer::ToldRounds&) override {
    epoch_ = epoch;
    if (!sends_) return;
    for (int i = 0; i < kInFlight + 1; ++i) {  // not one that lies in the cache
      ByteBlock block(body_bytes_);
      for (std::size_t at = 0; at < body_bytes_; ++at) block.bytes()[at] = std::byte(at * 31 + i);
      bodies_.push_back(std::move(block));
    }
    started_ = Clock::now();
    for (int i = 0; i < kInFlight; ++i) send_next();
  }
  void peer_down(NodeId, std::string reason) override {
    if (sends_ && rate_ == 0) {
      fmt::print(stderr, "the link went down: {}\n", reason);
      std::exit(1);
    }
    stop();
  }
  void received(NodeId from, const FrameHeader&, SharedBytes body) override {
    links_.consumed(from, body.size());
    if (!sends_) return links_.send(from, {.epoch = epoch_}, SharedBytes());
    ++received_;
    const auto passed = Clock::now() - started_;
    if (passed < time_) return send_next();
    rate_ = static_cast<double>(received_ * body_bytes_) / 1e9 / seconds(passed);
    stop();
  }
  void sketched(NodeId, Round, SharedBytes) override {}

 private:
  void stop() {
    if (std::exchange(stopping_, true)) return;
    links_.stop(peer::Farewell::finished, std::chrono::seconds{1}, [this] { io_.stop(); });
  }
  void send_next() {
    links_.send(node_id(1), {.epoch = epoch_}, bodies_[sent_++ % bodies_.size()]);
  }

  const std::uint64_t body_bytes_;
  const bool sends_;
  const Clock::duration time_;
  asio::io_context io_{1};
  peer::Links links_;
  std::vector<SharedBytes> bodies_;
  Epoch epoch_ = 0;
  Clock::time_point started_;
  std::uint64_t sent_ = 0, received_ = 0;
  double rate_ = 0;
  bool stopping_ = false;
};

}  // namespace

double link_gigabytes_per_second(Clock::duration time, std::uint64_t body_bytes, bool tls) {
  std::vector<peer::PrivateKey> keys;
  if (tls) keys = {peer::PrivateKey::make(), peer::PrivateKey::make()};
  const std::uint16_t ports[2] = {free_port(), free_port()};
  double rate = 0;
  std::thread receiver([&] { End(options_of(1, ports, body_bytes, keys), {}).run(); });
  {
    End sender(options_of(0, ports, body_bytes, keys), time);
    sender.run();
    rate = sender.gigabytes_per_second();
  }
  receiver.join();
  return rate;
}

}  // namespace starling::bench
