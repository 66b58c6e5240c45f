#include <doctest/doctest.h>

#include "tls_peer.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

using Told = std::vector<std::string>;

namespace {

// Three nodes under TLS of which 0 and 2 are up and honest; what comes as n1 is up to the test.
struct Scene {
  explicit Scene(const std::function<void(LinkOptions&)>& change = [](LinkOptions&) {}) {
    auto options = flock.options(0);
    change(options);
    node = std::make_unique<Node>(io, options);
    auto honest_options = flock.options(2);
    honest_options.heartbeat_every = options.heartbeat_every;
    std::erase_if(honest_options.neighbors, [](const Neighbor& n) { return n.id == node_id(1); });
    honest = std::make_unique<Node>(io, honest_options);
    for (Node* n : {node.get(), honest.get()}) {
      REQUIRE((*n)->listen().ok());
      (*n)->start();
    }
    REQUIRE(run_until(io, [&] { return node->up(1) && honest->up(); }));
  }
  const KeyPin& pin() const { return flock.keys()[0].pin(); }
  bool logged(const std::string& text) const { return node->log().find(text) != std::string::npos; }
  bool honest_link_works() {
    (*honest)->send(node_id(0), {.epoch = 1}, bytes_of(100, 1));
    return run_until(io, [&] { return !node->frames.empty(); }) &&
           honest->told == Told{"up 0 epoch 1"};
  }

  asio::io_context io;
  Flock flock{3, true};
  std::unique_ptr<Node> node, honest;
};

}  // namespace

TEST_CASE("tls: bodies of many sizes arrive whole, both ways, and nothing of them in the clear") {
  asio::io_context io;
  Flock flock(2, true);
  Node a(io, flock.options(0)), b(io, flock.options(1));
  for (Node* node : {&a, &b}) {
    REQUIRE((*node)->listen().ok());
    (*node)->start();
  }
  REQUIRE(run_until(io, [&] { return a.up() && b.up(); }));
  const std::vector<std::size_t> sizes = {0,     1,     16319, 16320,  16321,
                                          16384, 16385, 65536, 300000, 1 << 20};
  std::uint64_t total = 0;
  for (const std::size_t size : sizes) {
    const SharedBytes body = bytes_of(size, static_cast<unsigned char>(size));
    a->send(node_id(1), {.epoch = 1}, body);
    b->send(node_id(0), {.epoch = 1}, body);
    total += size;
  }
  REQUIRE(run_until(
      io, [&] { return a.frames.size() == sizes.size() && b.frames.size() == sizes.size(); }));
  for (Node* node : {&a, &b}) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      CAPTURE(sizes[i]);
      CHECK(std::ranges::equal(node->frames[i].body.bytes(),
                               bytes_of(sizes[i], static_cast<unsigned char>(sizes[i])).bytes()));
    }
  }
  // Each record adds 22 bytes to the frame's.
  CHECK(a.status().sent_bytes > total + 10 * (kFrameHeaderBytes + 22));
  CHECK(a.log().find("is up, epoch 1") != std::string::npos);
}

TEST_CASE("tls: a long connection replaces its keys, and nothing of a body is lost") {
  std::vector<std::uint64_t> sent;
  for (const std::uint64_t rekey_bytes : {Tls::kRekeyBytes, std::uint64_t{100'000}}) {
    asio::io_context io;
    Flock flock(2, true);
    auto options = flock.options(0);
    options.tls = std::make_shared<const Tls>(flock.keys()[0], rekey_bytes);
    options.heartbeat_every = options.silence_max = std::chrono::hours{1};  // none is counted
    Node a(io, options), b(io, flock.options(1));
    for (Node* node : {&a, &b}) {
      REQUIRE((*node)->listen().ok());
      (*node)->start();
    }
    REQUIRE(run_until(io, [&] { return a.up() && b.up(); }));
    a->send(node_id(1), {.epoch = 1}, bytes_of(1 << 20, 3));
    b->send(node_id(0), {.epoch = 1}, bytes_of(1 << 20, 4));
    REQUIRE(run_until(io, [&] { return !a.frames.empty() && !b.frames.empty(); }));
    CHECK(std::ranges::equal(b.frames[0].body.bytes(), bytes_of(1 << 20, 3).bytes()));
    CHECK(std::ranges::equal(a.frames[0].body.bytes(), bytes_of(1 << 20, 4).bytes()));
    sent.push_back(a.status().sent_bytes);
  }
  CHECK(sent[1] >= sent[0] + 4 * 20);  // a KeyUpdate every 256 KiB
}

TEST_CASE("tls: a key that the run file does not pin gets no byte of ours, and one line") {
  Scene scene;
  const PrivateKey unknown = PrivateKey::make();
  TlsPeer stranger(scene.io, scene.flock.port(0));
  // In TLS 1.3 a client is through before the server has judged its certificate.
  REQUIRE(stranger.secure(unknown, scene.pin()).ok());
  stranger.send(FrameType::hello, 0, hello_of(scene.flock.options(1), "n0"));
  const auto answer = stranger.next();
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code == ErrorCode::peer);
  CHECK(answer.error().message.starts_with("the other end does not take this node's key (TLS: "));
  CHECK(scene.logged("connection closed: its key is " + text_of(unknown.pin()) +
                     ", which the run file pins for no neighbor"));
  CHECK(scene.honest_link_works());
}

TEST_CASE("tls: a neighbor's key under another neighbor's name is refused") {
  Scene scene;
  TlsPeer liar(scene.io, scene.flock.port(0));
  REQUIRE(liar.secure(scene.flock.keys()[2], scene.pin()).ok());
  liar.send(FrameType::hello, 0, hello_of(scene.flock.options(1), "n0"));
  const auto answer = liar.next();
  REQUIRE(answer.ok());
  CHECK(answer.value().first.type == FrameType::refusal);
  CHECK(scene.logged("link refused: the key " + text_of(scene.flock.keys()[2].pin()) +
                     " is none of n1 in the run file of n0"));
  CHECK_FALSE(scene.node->up(0));
  CHECK(scene.honest_link_works());
}

TEST_CASE("tls: whose first frame is no Hello is told by its key") {
  Scene scene;
  TlsPeer neighbor(scene.io, scene.flock.port(0));
  REQUIRE(neighbor.secure(scene.flock.keys()[1], scene.pin()).ok());
  neighbor.send(FrameType::heartbeat, 0, wire::Heartbeat{});
  CHECK_FALSE(neighbor.next().ok());
  CHECK(
      scene.logged(": link refused: frame type is 4 in the handshake, expected 1 (hello); the "
                   "connection is closed"));
  CHECK(scene.node->status(0).refusals == 1);
  CHECK(scene.honest_link_works());
}

TEST_CASE("tls: a dialler checks the one key that it dialled, and says nothing to another") {
  asio::io_context io;
  Flock flock(3, true);
  auto options = flock.options(0);
  std::erase_if(options.neighbors, [](const Neighbor& n) { return n.id == node_id(2); });
  // n2 listens where n1 should be. Its key is pinned as well, but for n2.
  auto impostor_options = flock.options(2);
  impostor_options.listen_address = flock.address(1);
  std::erase_if(impostor_options.neighbors, [](const Neighbor& n) { return n.id == node_id(1); });
  Node node(io, options), impostor(io, impostor_options);
  REQUIRE(impostor->listen().ok());
  REQUIRE(node->listen().ok());
  node->start();
  impostor->start();
  const std::string wanted = "never connected: the key there is " + text_of(flock.keys()[2].pin()) +
                             ", expected " + text_of(flock.keys()[1].pin());
  CHECK(run_until(io, [&] { return node.status().reason == wanted; }));
  CHECK(node.told.empty());
  CHECK(impostor.told.empty());
  CHECK(impostor.log().find("n0 (127") == std::string::npos);  // no Hello came
}

TEST_CASE("tls: plain and protected nodes do not meet, and both say why") {
  asio::io_context io;
  Flock flock(2, true);
  auto plain_options = flock.options(0);
  plain_options.tls = nullptr;
  Node plain(io, plain_options), safe(io, flock.options(1));
  for (Node* node : {&plain, &safe}) {
    REQUIRE((*node)->listen().ok());
    (*node)->start();
  }
  CHECK(run_until(io, [&] {
    return safe.log().find("no TLS is spoken there (wrong version number)") != std::string::npos;
  }));
  CHECK(run_until(io, [&] { return plain.status().reason.starts_with("never connected: "); }));
  CHECK(plain.told.empty());
  CHECK(safe.told.empty());
}

TEST_CASE("tls: one who says nothing, or a byte now and then, is closed at the deadline") {
  Scene scene([](LinkOptions& o) { o.handshake_max = milliseconds{200}; });
  RawPeer silent(scene.io, scene.flock.port(0)), slow(scene.io, scene.flock.port(0));
  const auto begun = Clock::now();
  const std::array<std::byte, 1> byte{std::byte{22}};
  bool slow_closed = false;
  while (!slow_closed && Clock::now() < begun + std::chrono::seconds{5}) {
    slow.send_bytes(byte);
    slow_closed = slow.closed(milliseconds{20});
  }
  CHECK(slow_closed);
  CHECK(silent.closed());
  CHECK(Clock::now() < begun + std::chrono::seconds{3});
  CHECK(scene.honest_link_works());
}

TEST_CASE("tls: after its handshake a peer that says no Hello is closed at the same deadline") {
  Scene scene([](LinkOptions& o) { o.handshake_max = milliseconds{300}; });
  TlsPeer mute(scene.io, scene.flock.port(0));
  REQUIRE(mute.secure(scene.flock.keys()[1], scene.pin()).ok());
  CHECK_FALSE(mute.next().ok());
  CHECK(run_until(scene.io, [&] { return scene.logged("no progress before the deadline"); }));
}

TEST_CASE("tls: a neighbor whose host lost power is down after silence_max, the others stay") {
  Scene scene([](LinkOptions& o) {
    o.heartbeat_every = milliseconds{50};
    o.silence_max = milliseconds{300};
  });
  TlsPeer peer(scene.io, scene.flock.port(0));
  REQUIRE(peer.secure(scene.flock.keys()[1], scene.pin()).ok());
  peer.send(FrameType::hello, 0, hello_of(scene.flock.options(1), "n0"));
  const auto answer = peer.next();
  REQUIRE(answer.ok());
  REQUIRE(answer.value().first.type == FrameType::welcome);
  CHECK_FALSE(scene.node->up(0));  // not before a frame says that it takes the epoch
  peer.send(FrameType::heartbeat, 1, wire::Heartbeat{});
  REQUIRE(run_until(scene.io, [&] { return scene.node->up(0); }));
  REQUIRE(run_until(scene.io, [&] { return !scene.node->up(0); }));
  CHECK(scene.node->told.back() == "down 1: nothing was heard for 0.3 s");
  CHECK(scene.honest_link_works());
}

TEST_CASE("tls: a huge length from somebody with a key costs that link and no memory") {
  Scene scene;
  TlsPeer peer(scene.io, scene.flock.port(0));
  REQUIRE(peer.secure(scene.flock.keys()[1], scene.pin()).ok());
  peer.send(FrameType::hello, 0, hello_of(scene.flock.options(1), "n0"));
  REQUIRE(peer.next().ok());
  peer.send(FrameType::heartbeat, 1, wire::Heartbeat{});
  REQUIRE(run_until(scene.io, [&] { return scene.node->up(0); }));
  const auto header = encode_header(
      {.type = FrameType::exchange, .body_bytes = std::uint64_t{1} << 63, .epoch = 1});
  peer.send_bytes(header);
  REQUIRE(run_until(scene.io, [&] { return !scene.node->up(0); }));
  CHECK(scene.node->told.back() ==
        "down 1: n1 broke the protocol: frame body of 9223372036854775808 bytes is over the limit "
        "of 1048576");
  CHECK(scene.honest_link_works());
}

TEST_CASE("tls: garbage in the place of a record costs that connection alone") {
  Scene scene;
  RawPeer http(scene.io, scene.flock.port(0));
  const std::string text = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  http.send_bytes(std::as_bytes(std::span(text)));
  CHECK(http.closed());
  CHECK(scene.logged("no TLS is spoken there (http request)"));
  CHECK(scene.honest_link_works());
}

TEST_CASE("tls: a key that is pinned no more loses its link, and one that is pinned too gets one") {
  asio::io_context io;
  Flock flock(2, true);
  const PrivateKey fresh = PrivateKey::make();
  auto options = flock.options(0), old_options = flock.options(1);
  options.redial_refused = old_options.redial_refused = milliseconds{50};
  auto new_options = old_options;
  new_options.tls = std::make_shared<const Tls>(fresh);
  const KeyPin old_pin = flock.keys()[1].pin();
  Node node(io, options);
  REQUIRE(node->listen().ok());
  node->start();
  auto other = std::make_unique<Node>(io, old_options);
  REQUIRE((*other)->listen().ok());
  (*other)->start();
  REQUIRE(run_until(io, [&] { return node.up() && other->up(); }));

  // Both are pinned: nothing happens, and a restart with the new one comes up.
  node->replace_keys(node_id(1), {fresh.pin(), old_pin});
  run_for(io, milliseconds{50});
  CHECK(node.told == Told{"up 1 epoch 1"});
  other = std::make_unique<Node>(io, new_options);
  REQUIRE((*other)->listen().ok());
  (*other)->start();
  REQUIRE(run_until(io, [&] { return node.told.size() == 3 && other->up(); }));
  CHECK(node.told[2] == "up 1 epoch 2");

  node->replace_keys(node_id(1), {old_pin});
  REQUIRE(run_until(
      io, [&] { return node.told.size() == 4; }, std::chrono::seconds{1}));
  CHECK(node.told[3] == "down 1: its key " + text_of(fresh.pin()) + " is pinned no more");
  REQUIRE(run_until(io, [&] { return other->told.size() == 2; }));
  const std::string refused = "the key there is " + text_of(fresh.pin());
  CHECK(run_until(io, [&] { return node.status().reason.find(refused) != std::string::npos; }));
  CHECK(node.told.size() == 4);
}
