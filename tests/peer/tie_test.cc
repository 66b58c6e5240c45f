#include <doctest/doctest.h>

#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

using Told = std::vector<std::string>;

TEST_CASE("both dial at once: one link, epoch 1, one peer_up each, every time") {
  for (int i = 0; i < 100; ++i) {
    CAPTURE(i);
    const bool tls = i >= 50;
    asio::io_context io;
    Flock flock(2, tls);
    std::vector<std::unique_ptr<Node>> nodes;
    for (std::size_t self : {0, 1}) {
      auto options = flock.options(self);
      options.redial_min = Duration{1};  // the larger id's first delay too
      options.heartbeat_every = milliseconds{10};
      nodes.push_back(std::make_unique<Node>(io, options));
      REQUIRE((*nodes[self])->listen().ok());
    }
    // In different orders, and at different points of each other's handshake.
    (*nodes[i % 2])->start();
    for (int step = 0; step < i % 50 / 2; ++step) io.run_one_for(milliseconds{0});
    (*nodes[1 - i % 2])->start();
    REQUIRE(run_until(io, [&] { return nodes[0]->up() && nodes[1]->up(); }));
    run_for(io, milliseconds{40});
    CHECK(nodes[0]->told == Told{"up 1 epoch 1"});
    CHECK(nodes[1]->told == Told{"up 0 epoch 1"});
  }
}

TEST_CASE("a complete graph of 12 nodes comes up once, every edge in epoch 1") {
  for (const auto& [stagger, tls] :
       {std::pair{false, false}, {true, false}, {false, true}, {true, true}}) {
    CAPTURE(tls);
    asio::io_context io;
    constexpr std::size_t kNodes = 12;
    Flock flock(kNodes, tls);
    std::vector<std::unique_ptr<Node>> nodes;
    for (std::size_t self = 0; self < kNodes; ++self) {
      auto options = flock.options(self);
      options.redial_min = milliseconds{1};
      nodes.push_back(std::make_unique<Node>(io, options));
    }
    for (auto& node : nodes) {
      REQUIRE((*node)->listen().ok());
      (*node)->start();
      if (stagger) run_for(io, milliseconds{7});
    }
    REQUIRE(run_until(io, [&] {
      return std::ranges::all_of(nodes, [](auto& n) { return n->told.size() >= kNodes - 1; });
    }));
    run_for(io, milliseconds{100});
    for (auto& node : nodes) {
      CHECK(node->told.size() == kNodes - 1);
      for (const std::string& line : node->told) CHECK(line.ends_with("epoch 1"));
    }
  }
}

TEST_CASE(
    "a second process with a neighbor's name and key is refused while the first one is alive") {
  const bool tls = true;
  asio::io_context io;
  Flock flock(2, tls);
  auto options = flock.options(0), twin_options = flock.options(1);
  options.heartbeat_every = twin_options.heartbeat_every = milliseconds{40};
  Node node(io, options);
  Node first(io, twin_options);
  const FreePort port;
  twin_options.listen_address = port.address();
  Node twin(io, twin_options);
  for (Node* n : {&node, &first, &twin}) REQUIRE((*n)->listen().ok());
  node->start();
  first->start();
  REQUIRE(run_until(io, [&] { return node.up() && first.up(); }));
  twin->start();
  REQUIRE(run_until(io, [&] { return twin.status().reason.find("n0 refused") == 0; }));
  run_for(io, milliseconds{300});
  CHECK(node.told == Told{"up 1 epoch 1"});
  CHECK(first.told == Told{"up 0 epoch 1"});
  CHECK(twin.told.empty());
  CHECK(twin.status().reason.find("does a second process run under that name?") !=
        std::string::npos);
  // Both addresses: whose connection was refused, and whose stays.
  const std::string log = node.log();
  const auto refused = log.find("link refused: n1 is connected to n0 from 127.0.0.1:");
  REQUIRE(refused != std::string::npos);
  CHECK(log.rfind("n1 (127.0.0.1:", refused) != std::string::npos);
}

TEST_CASE("a peer that vanished without a word and dials again replaces its silent link") {
  asio::io_context io;
  Flock flock(2);
  auto options = flock.options(0);
  options.heartbeat_every = milliseconds{50};
  options.silence_max = std::chrono::seconds{60};
  Node node(io, options);
  REQUIRE(node->listen().ok());
  node->start();
  RawPeer old(io, flock.port(0));
  REQUIRE(old.shake_hands(flock.options(1), "n0") == 1);
  REQUIRE(run_until(io, [&] { return node.up(); }));
  RawPeer fresh(io, flock.port(0));  // `old` stays open and says nothing: its host lost power
  REQUIRE(fresh.shake_hands(flock.options(1), "n0") == 2);
  REQUIRE(run_until(io, [&] { return node.told.size() == 3; }));
  CHECK(node.told ==
        Told{"up 1 epoch 1", "down 1: n1 came back on a new connection", "up 1 epoch 2"});
  CHECK(old.closed());
}

TEST_CASE("a Hello that its sender has given up does not disturb the link") {
  asio::io_context io;
  Flock flock(2);
  auto options = flock.options(0);
  options.heartbeat_every = milliseconds{50};
  Node node(io, options);
  REQUIRE(node->listen().ok());
  node->start();
  RawPeer good(io, flock.port(0));
  REQUIRE(good.shake_hands(flock.options(1), "n0") == 1);
  REQUIRE(run_until(io, [&] { return node.up(); }));
  {
    RawPeer stale(io, flock.port(0));
    stale.send_message(FrameType::hello, 0, hello_of(flock.options(1), "n0"));
  }
  run_for(io, milliseconds{200});
  CHECK(node.told == Told{"up 1 epoch 1"});
}
