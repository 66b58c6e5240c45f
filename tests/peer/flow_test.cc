#include <doctest/doctest.h>

#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

struct Scene {
  explicit Scene(const std::function<void(LinkOptions&)>& change) {
    auto options = flock.options(0);
    change(options);
    node = std::make_unique<Node>(io, options);
    REQUIRE((*node)->listen().ok());
    (*node)->start();
    raw = std::make_unique<RawPeer>(io, flock.port(0));
    REQUIRE(raw->shake_hands(flock.options(1), "n0") == 1);
    REQUIRE(run_until(io, [&] { return node->up(); }));
  }
  asio::io_context io;
  Flock flock{2};
  std::unique_ptr<Node> node;
  std::unique_ptr<RawPeer> raw;
};

}  // namespace

TEST_CASE("a peer that shook hands and went silent is down after silence_max") {
  const auto before = Clock::now();
  Scene scene([](LinkOptions& o) {
    o.heartbeat_every = milliseconds{50};
    o.silence_max = milliseconds{200};
  });
  REQUIRE(run_until(scene.io, [&] { return !scene.node->up(); }));
  CHECK(Clock::now() - before >= milliseconds{200});
  CHECK(scene.node->told.back() == "down 1: nothing was heard for 0.2 s");
}

TEST_CASE("a peer that drips a frame byte by byte counts as silent") {
  Scene scene([](LinkOptions& o) {
    o.heartbeat_every = milliseconds{50};
    o.silence_max = milliseconds{200};
  });
  const auto header = encode_header({.type = FrameType::exchange, .body_bytes = 1000, .epoch = 1});
  scene.raw->send_bytes(header);
  const std::byte drip{};
  const auto before = Clock::now();
  while (scene.node->up() && Clock::now() - before < std::chrono::seconds{5}) {
    scene.raw->send_bytes(std::span(&drip, 1));
    run_for(scene.io, milliseconds{10});
  }
  CHECK(scene.node->told.back() == "down 1: nothing was heard for 0.2 s");
}

TEST_CASE("heartbeats keep an idle link up, and tell the round") {
  asio::io_context io;
  Flock flock(2);
  std::vector<std::unique_ptr<Node>> nodes;
  for (std::size_t i : {0, 1}) {
    auto options = flock.options(i);
    options.heartbeat_every = milliseconds{30};
    options.silence_max = milliseconds{200};
    nodes.push_back(std::make_unique<Node>(io, options));
    REQUIRE((*nodes[i])->listen().ok());
    (*nodes[i])->start();
  }
  REQUIRE(run_until(io, [&] { return nodes[0]->up() && nodes[1]->up(); }));
  (*nodes[0])->set_round(12);
  run_for(io, milliseconds{700});
  CHECK(nodes[0]->told.size() == 1);
  CHECK(nodes[1]->told.size() == 1);
  CHECK(nodes[1]->status().round == 12);
}

TEST_CASE("an owner that does not let go of bodies stops the reading, within the bound") {
  constexpr std::size_t kBody = 100'000;
  Scene scene([](LinkOptions& o) {
    o.unread_bytes_max = 3 * kBody;
    o.heartbeat_every = milliseconds{50};
    o.silence_max = milliseconds{200};  // must not fire while it is we who do not listen
  });
  scene.node->consumes = false;
  scene.raw->socket().non_blocking(false);
  const std::string body(kBody, 'b');
  for (Sequence i = 0; i < 5; ++i) {
    scene.raw->send({.type = FrameType::exchange, .epoch = 1, .sequence = i}, "", body);
  }
  scene.raw->socket().non_blocking(true);
  REQUIRE(run_until(scene.io, [&] { return scene.node->frames.size() == 3; }));
  run_for(scene.io, milliseconds{500});
  CHECK(scene.node->frames.size() == 3);
  CHECK(scene.node->up());
  (*scene.node)->consumed(node_id(1), kBody);
  CHECK(run_until(scene.io, [&] { return scene.node->frames.size() == 4; }));
  run_for(scene.io, milliseconds{50});
  CHECK(scene.node->frames.size() == 4);
  (*scene.node)->consumed(node_id(1), 3 * kBody);
  CHECK(run_until(scene.io, [&] { return scene.node->frames.size() == 5; }));
}

TEST_CASE("bodies of an ended epoch still count until they are given back") {
  Scene scene([](LinkOptions& o) { o.unread_bytes_max = 1000; });
  scene.node->consumes = false;
  scene.raw->send({.type = FrameType::exchange, .epoch = 1}, "", std::string(900, 'b'));
  REQUIRE(run_until(scene.io, [&] { return scene.node->frames.size() == 1; }));
  scene.raw = nullptr;
  REQUIRE(run_until(scene.io, [&] { return !scene.node->up(); }));
  RawPeer again(scene.io, scene.flock.port(0));
  REQUIRE(again.shake_hands(scene.flock.options(1), "n0") == 2);
  again.send({.type = FrameType::exchange, .epoch = 2}, "", std::string(900, 'c'));
  run_for(scene.io, milliseconds{100});
  CHECK(scene.node->frames.size() == 1);
  (*scene.node)->consumed(node_id(1), 900);
  CHECK(run_until(scene.io, [&] { return scene.node->frames.size() == 2; }));
}

TEST_CASE("a peer that does not read loses its link when the queue is full") {
  constexpr std::uint64_t kQueueMax = 3 << 20;
  Scene scene([](LinkOptions& o) { o.queue_bytes_max = kQueueMax; });
  const SharedBytes body = bytes_of(1 << 20, 1);
  int sent = 0;
  while (scene.node->up() && sent < 100) {
    (*scene.node)->send(node_id(1), {.epoch = 1}, body);
    ++sent;
    run_for(scene.io, milliseconds{5});
  }
  CHECK(sent < 100);
  CHECK(scene.node->told.back().starts_with("down 1: n1 takes too little: "));
  CHECK(scene.node->told.back().ends_with(" would pass the limit of 3145728"));
}

TEST_CASE("a goodbye is read even if our own writing failed before") {
  Scene scene([](LinkOptions& o) { o.heartbeat_every = milliseconds{5}; });
  wire::Goodbye goodbye;
  goodbye.set_reason(wire::Goodbye::finished);
  scene.raw->send_message(FrameType::goodbye, 1, goodbye);
  scene.raw->socket().shutdown(Tcp::socket::shutdown_both);
  REQUIRE(run_until(scene.io, [&] { return !scene.node->up(); }));
  CHECK(scene.node->told.back() == "down 1: n1 has finished its run");
}
