#include <doctest/doctest.h>

#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

// Node 0 with two neighbors: n1 is played by hand, n2 is an honest node whose link must not suffer.
struct Scene {
  explicit Scene(const std::function<void(LinkOptions&)>& change = [](LinkOptions&) {}) {
    options = flock.options(0);
    options.body_bytes_max = std::uint64_t{1} << 30;
    change(options);
    node = std::make_unique<Node>(io, options);
    auto honest_options = flock.options(2);
    honest_options.neighbors.erase(honest_options.neighbors.begin() + 1);
    honest = std::make_unique<Node>(io, honest_options);
    for (auto* n : {node.get(), honest.get()}) {
      REQUIRE((*n)->listen().ok());
      (*n)->start();
    }
    REQUIRE(run_until(io, [&] { return node->up(1) && honest->up(); }));
    raw = std::make_unique<RawPeer>(io, flock.port(0));
    REQUIRE(raw->shake_hands(flock.options(1), "n0") == 1);
    REQUIRE(run_until(io, [&] { return node->up(0); }));
  }

  // The session ends for this reason, which the peer is told; nothing else happens.
  void expect_down(const std::string& what) {
    REQUIRE(run_until(io, [&] { return !node->up(0); }));
    CHECK(node->told.back() == "down 1: n1 broke the protocol: " + what);
    std::string said;
    while (auto frame = raw->next()) {
      wire::Goodbye goodbye;
      if (frame->first.type != FrameType::goodbye) continue;
      REQUIRE(goodbye.ParseFromString(frame->second));
      CHECK(goodbye.reason() == wire::Goodbye::misbehaved);
      said = goodbye.text();
    }
    CHECK(said == what);
    const auto at = node->log().find("n1 broke the protocol: " + what);
    CHECK(at != std::string::npos);
    CHECK(node->log().find("n1 broke the protocol: " + what, at + 1) == std::string::npos);
    CHECK(node->up(1));
    CHECK(honest->up());
    (*honest)->send(node_id(0), {.epoch = 1}, bytes_of(100, 1));
    CHECK(run_until(io, [&] { return !node->frames.empty(); }));
  }

  asio::io_context io;
  Flock flock{3};
  LinkOptions options;
  std::unique_ptr<Node> node, honest;
  std::unique_ptr<RawPeer> raw;
};

}  // namespace

TEST_CASE("bad magic ends that session only") {
  Scene scene;
  auto bytes = encode_header({.type = FrameType::exchange, .epoch = 1});
  bytes[0] = std::byte{'X'};
  scene.raw->send_bytes(bytes);
  scene.expect_down(
      "frame magic is 0x4c525458, expected 0x4c525453; whoever speaks there is no "
      "Starling node");
}

TEST_CASE("an unknown frame type ends that session only") {
  Scene scene;
  scene.raw->send_bytes(encode_header({.type = static_cast<FrameType>(14), .epoch = 1}));
  scene.expect_down("frame type is 14, known are 1 to 13");
}

TEST_CASE("a length over the limit ends that session before anything is allocated") {
  for (const std::uint64_t length : {(std::uint64_t{1} << 30) + 1, std::uint64_t{1} << 31,
                                     (std::uint64_t{1} << 32) - 1, std::uint64_t{1} << 63}) {
    CAPTURE(length);
    Scene scene;
    const std::uint64_t before = resident_bytes();
    scene.raw->send_bytes(
        encode_header({.type = FrameType::exchange, .body_bytes = length, .epoch = 1}));
    scene.expect_down(
        fmt::format("frame body of {} bytes is over the limit of 1073741824", length));
    CHECK(grew_less(before, 4 << 20));
  }
  Scene scene;
  scene.raw->send_bytes(
      encode_header({.type = FrameType::heartbeat, .message_bytes = ~0u, .epoch = 1}));
  scene.expect_down("frame message of 4294967295 bytes is over the limit of 4096");
}

TEST_CASE("each type of frame has a limit of its own for its body") {
  const auto refused = [](FrameType type, std::uint64_t bytes, std::uint64_t most) {
    Scene scene([](LinkOptions& options) {
      options.body_bytes_max = 100;
      options.piece_bytes_max = 1000;
    });
    scene.raw->send_bytes(encode_header({.type = type, .body_bytes = bytes, .epoch = 1}));
    scene.expect_down(fmt::format("frame body of type {} has {} bytes, expected at most {}",
                                  static_cast<int>(type), bytes, most));
  };
  refused(FrameType::exchange, 101, 100);
  refused(FrameType::settlement, 1000, 100);
  refused(FrameType::joining, 1, 0);
  refused(FrameType::ask, 1, 0);
  refused(FrameType::missed, 1, 0);
  refused(FrameType::snapshot, 9, 8);
}

TEST_CASE("a piece of a model over its limit ends the session, one within does not") {
  Scene scene([](LinkOptions& options) {
    options.body_bytes_max = 1000;
    options.piece_bytes_max = 100;
  });
  scene.raw->send({.type = FrameType::piece, .epoch = 1}, "", std::string(100, 'x'));
  REQUIRE(run_until(scene.io, [&] { return scene.node->frames.size() == 1; }));
  scene.node->frames.clear();
  scene.raw->send_bytes(
      encode_header({.type = FrameType::piece, .body_bytes = 101, .epoch = 1, .sequence = 1}));
  scene.expect_down("frame body of type 12 has 101 bytes, expected at most 100");
}

TEST_CASE("a frame out of its place in the stream ends the session") {
  const auto told = [](FrameHeader header, const std::string& message, const std::string& what) {
    Scene scene;
    scene.raw->send(header, message);
    scene.expect_down(what);
  };
  told({.type = FrameType::exchange, .epoch = 2}, "", "frame epoch is 2, expected 1");
  told({.type = FrameType::exchange, .epoch = 1, .sequence = 1}, "",
       "frame sequence is 1, expected 0");
  told({.type = FrameType::exchange, .epoch = 1}, "x", "frame message length is 1, expected 0");
  told({.type = FrameType::hello, .epoch = 1}, "",
       "frame type is 1 on a link that is up, expected 4 (heartbeat), 5 (goodbye) or 6 to 13 (of "
       "the algorithm)");
  told({.type = FrameType::heartbeat, .epoch = 1}, "\xff\xff", "a Heartbeat does not parse");
}

TEST_CASE("a replayed exchange ends the session") {
  Scene scene;
  scene.raw->send({.type = FrameType::exchange, .epoch = 1}, "", "body");
  scene.raw->send({.type = FrameType::exchange, .epoch = 1}, "", "body");
  REQUIRE(run_until(scene.io, [&] { return !scene.node->frames.empty(); }));
  scene.expect_down("frame sequence is 0, expected 1");
  CHECK(scene.node->frames[0].body.size() == 4);
}

TEST_CASE("a body that is not what its sender hashed ends the session") {
  Scene scene;
  scene.raw->send_bytes(
      encode_header({.type = FrameType::exchange, .body_bytes = 4, .epoch = 1, .payload_hash = 7}));
  scene.raw->send_bytes(std::as_bytes(std::span("abc", 4)));
  REQUIRE(run_until(scene.io, [&] { return !scene.node->up(0); }));
  CHECK(scene.node->told.back().find("frame payload hash is 0x0000000000000007, computed 0x") !=
        std::string::npos);
}

TEST_CASE("who broke the protocol is not let in again at once") {
  Scene scene([](LinkOptions& o) { o.redial_refused = milliseconds{400}; });
  scene.raw->send({.type = FrameType::exchange, .epoch = 2});
  REQUIRE(run_until(scene.io, [&] { return !scene.node->up(0); }));
  {
    RawPeer again(scene.io, scene.flock.port(0));
    CHECK(again.shake_hands(scene.flock.options(1), "n0") == 0);
  }
  run_for(scene.io, milliseconds{250});
  RawPeer later(scene.io, scene.flock.port(0));
  CHECK(later.shake_hands(scene.flock.options(1), "n0") == 2);
}
