#include <doctest/doctest.h>

#include "peer/handshake.h"
#include "peer/log_gate.h"
#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

struct OneNode {
  explicit OneNode(const std::function<void(LinkOptions&)>& change = [](LinkOptions&) {}) {
    auto options = flock.options(0);
    change(options);
    node = std::make_unique<Node>(io, options);
    REQUIRE((*node)->listen().ok());
    (*node)->start();
  }
  wire::Refusal refusal_of(const wire::Hello& hello) {
    RawPeer peer(io, flock.port(0));
    peer.send_message(FrameType::hello, 0, hello);
    const auto answer = peer.next();
    REQUIRE(answer.has_value());
    REQUIRE(answer->first.type == FrameType::refusal);
    wire::Refusal refusal;
    REQUIRE(refusal.ParseFromString(answer->second));
    CHECK(peer.closed());
    return refusal;
  }
  asio::io_context io;
  Flock flock{2};
  std::unique_ptr<Node> node;
};

}  // namespace

TEST_CASE("nodes of different runs refuse each other, and both name the first difference") {
  asio::io_context io;
  Flock flock(2);
  auto left = flock.options(0), right = flock.options(1);
  right.fingerprint[1].value = "mlp 64-256-10";
  right.fingerprint[2].value = "8";
  left.redial_refused = right.redial_refused = milliseconds{30};
  Node a(io, left), b(io, right);
  REQUIRE(a->listen().ok());
  REQUIRE(b->listen().ok());
  a->start();
  b->start();
  const std::string seen_by_a =
      "the run of n1 is another one: model is 'mlp 64-128-10' here and 'mlp 64-256-10' there";
  const std::string seen_by_b =
      "the run of n0 is another one: model is 'mlp 64-256-10' here and 'mlp 64-128-10' there";
  REQUIRE(run_until(
      io, [&] { return a.status().reason == seen_by_a && b.status().reason == seen_by_b; }));
  run_for(io, milliseconds{300});  // several more dials
  CHECK(a.told.empty());
  CHECK(b.told.empty());
  CHECK(a.status().reason == seen_by_a);
  CHECK(b.status().reason == seen_by_b);
  CHECK(count(a.log(), seen_by_a) == 1);
  CHECK(count(b.log(), seen_by_b) == 1);
}

TEST_CASE("a Hello under a name that is no neighbor's is refused") {
  OneNode one;
  auto options = one.flock.options(1);
  options.self_name = "n9";
  const auto refusal = one.refusal_of(hello_of(options, "n0"));
  CHECK(refusal.reason() == wire::Refusal::unknown_node);
  CHECK(refusal.text() == "'n9' is no neighbor of n0 in its run file");
  CHECK(count(one.node->log(), "'n9' is no neighbor of n0 in its run file") == 1);
}

TEST_CASE("a Hello under our own name is refused") {
  OneNode one;
  const auto refusal = one.refusal_of(hello_of(one.flock.options(0), "n0"));
  CHECK(refusal.reason() == wire::Refusal::unknown_node);
  CHECK(refusal.text() == "'n0' is the name of this node itself");
}

TEST_CASE("a Hello that wanted somebody else is refused") {
  OneNode one;
  const auto refusal = one.refusal_of(hello_of(one.flock.options(1), "n5"));
  CHECK(refusal.reason() == wire::Refusal::wrong_node);
  CHECK(refusal.text() == "this node is n0, and n1 wanted 'n5'");
  CHECK(one.node->status().reason == "this node is n0, and n1 wanted 'n5'");
}

TEST_CASE("no frame version in common: refused with both") {
  OneNode one;
  auto hello = hello_of(one.flock.options(1), "n0");
  hello.set_version_min(2);
  hello.set_version_max(3);
  const auto refusal = one.refusal_of(hello);
  CHECK(refusal.reason() == wire::Refusal::version);
  CHECK(refusal.ours() == "1");
  CHECK(refusal.theirs() == "2 to 3");
  CHECK(one.node->status().reason == "no frame version in common with n1: 1 here, 2 to 3 there");
}

TEST_CASE("a dialler looks at who answered") {
  const Introduction self{"n0", {{"run", "a"}}};
  CHECK_FALSE(judge(self, make_welcome({"n1", {{"run", "a"}}}, 1, 0), "n1").has_value());
  const auto wrong = judge(self, make_welcome({"n2", {{"run", "a"}}}, 1, 0), "n1");
  REQUIRE(wrong.has_value());
  CHECK(sentence(*wrong, true, "n1") == "n0 dialled n1, and 'n2' answered");
  const auto other = judge(self, make_welcome({"n1", {{"run", "b"}}}, 1, 0), "n1");
  REQUIRE(other.has_value());
  CHECK(sentence(*other, true, "n1") ==
        "the run of n1 is another one: run is 'a' here and 'b' "
        "there");
  CHECK(sentence(*other, false, "n0") ==
        "the run of n0 is another one: run is 'b' here and 'a' "
        "there");
}

TEST_CASE("a realistic fingerprint fits the handshake's limit, and long values a Refusal") {
  Introduction self{"n0", {}};
  for (int i = 0; i < 12; ++i) {
    self.fingerprint.push_back({fmt::format("field{}", i), std::string(100, 'x')});
  }
  self.fingerprint[3].value = std::string(1024, 'm');
  CHECK(make_hello(self, "n1", ~0u, ~0ull).ByteSizeLong() < kHandshakeLimits.message_bytes_max);
  Introduction other = self;
  self.fingerprint[3].value = std::string(3000, 'a');
  other.fingerprint[3].value = std::string(3000, 'b');
  const auto refusal = judge(self, make_hello(other, "n0", 0, 0), true);
  REQUIRE(refusal.has_value());
  CHECK(refusal->ByteSizeLong() < kHandshakeLimits.message_bytes_max);
}

TEST_CASE("text from the wire cannot forge log lines") {
  CHECK(printable("n1\n[error] all is lost\x1b[31m") == "n1?[error] all is lost?[31m");
  CHECK(printable("äöü", 3) == "ä");
  CHECK(printable("äöü", 4) == "äö");
}

TEST_CASE("garbage before the handshake costs one connection and one log line") {
  OneNode one;
  for (int i = 0; i < 5; ++i) {
    RawPeer peer(one.io, one.flock.port(0));
    const std::string text =
        "GET / HTTP/1.1\r\nHost: starling\r\nAccept: */*\r\n"
        "User-Agent: curl/7.88.1 and more to fill a header\r\n\r\n";
    peer.send_bytes(std::as_bytes(std::span(text)));
    CHECK(peer.closed());
  }
  CHECK(count(one.node->log(), "frame magic is 0x20544547, expected 0x4c525453") == 1);
  RawPeer peer(one.io, one.flock.port(0));
  CHECK(peer.shake_hands(one.flock.options(1), "n0") == 1);
  CHECK(run_until(one.io, [&] { return one.node->up(); }));
}

TEST_CASE("a body before the handshake is over is refused, whatever the run allows") {
  OneNode one;
  RawPeer peer(one.io, one.flock.port(0));
  peer.send_bytes(encode_header({.type = FrameType::hello, .body_bytes = 1}));
  CHECK(peer.closed());
  CHECK(count(one.node->log(), "frame body of 1 bytes is over the limit of 0") == 1);
}

TEST_CASE("a handshake that takes too long is closed") {
  OneNode one([](LinkOptions& o) { o.handshake_max = milliseconds{200}; });
  RawPeer silent(one.io, one.flock.port(0)), slow(one.io, one.flock.port(0));
  const auto bytes = encode_header({.type = FrameType::hello, .message_bytes = 100});
  const auto before = Clock::now();
  std::size_t sent = 0;
  while (Clock::now() - before < milliseconds{150}) {  // a byte now and then
    slow.send_bytes(std::span(bytes).subspan(sent++ % bytes.size(), 1));
    run_for(one.io, milliseconds{10});
  }
  CHECK(silent.closed());
  CHECK(slow.closed());
  CHECK(run_until(one.io,
                  [&] { return count(one.node->log(), "no progress before the deadline") == 1; }));
}

TEST_CASE("silent strangers cannot keep more than a bounded number of connections") {
  OneNode one([](LinkOptions& o) { o.handshake_max = milliseconds{150}; });
  std::vector<std::unique_ptr<RawPeer>> strangers;
  for (int i = 0; i < 60; ++i) {
    strangers.push_back(
        std::make_unique<RawPeer>(one.io, one.flock.port(0), fmt::format("127.0.1.{}", 1 + i)));
  }
  // The neighbor waits behind two rounds of them, and gets through.
  RawPeer peer(one.io, one.flock.port(0));
  CHECK(peer.shake_hands(one.flock.options(1), "n0") == 1);
}

TEST_CASE("one address has its share of the connections in their handshake, and no more") {
  OneNode one;
  std::vector<std::unique_ptr<RawPeer>> strangers;
  for (int i = 0; i < 60; ++i) {
    strangers.push_back(std::make_unique<RawPeer>(one.io, one.flock.port(0), "127.0.1.1"));
  }
  const auto closed = [&] {
    return std::ranges::count_if(strangers, [](auto& s) { return s->closed(Duration{0}); });
  };
  CHECK(run_until(one.io, [&] { return closed() == 60 - 8; }));
  // The neighbor comes from elsewhere and does not wait for them.
  RawPeer peer(one.io, one.flock.port(0));
  CHECK(peer.shake_hands(one.flock.options(1), "n0") == 1);
  CHECK(closed() == 60 - 8);
  CHECK(one.node->log().find("127.0.1.1: 8 connections in their handshake") != std::string::npos);
}

TEST_CASE("the log gate lets one line of a code pass, and then tells how many it held back") {
  LogGate gate;
  const auto now = Clock::now();
  CHECK(gate.passes("a", now) == "");
  CHECK_FALSE(gate.passes("a", now + std::chrono::seconds{1}).has_value());
  CHECK_FALSE(gate.passes("a", now + std::chrono::seconds{9}).has_value());
  CHECK(gate.passes("b", now) == "");
  CHECK(gate.passes("a", now + LogGate::kApart) == " (2 more like this since the last such line)");
  CHECK(gate.passes("a", now + 2 * LogGate::kApart) == "");
}
