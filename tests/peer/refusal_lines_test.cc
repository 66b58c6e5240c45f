// Every refusal and every lost link leaves one line: who, why with both values, what was done. And
// it is counted.
#include <doctest/doctest.h>

#include <asio/write.hpp>
#include <regex>

#include "peer/handshake.h"
#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

using Lines = std::vector<std::string>;

// Level and text of what is neither debugging nor good news; addresses and times are masked.
Lines lines_of(const Node& node) {
  Lines lines;
  std::istringstream in(node.log());
  for (std::string line; std::getline(in, line);) {
    const auto at = std::min(line.find("[warning] "), line.find("[info] "));
    if (at == line.npos || line.find(" is up, epoch ") != line.npos) continue;
    line = std::regex_replace(line.substr(at), std::regex(R"(127\.0\.0\.1:\d+)"), "ADDRESS");
    lines.push_back(std::regex_replace(line, std::regex(R"( in \d+\.\d+ s)"), " in T s"));
  }
  return lines;
}

// n0 under test; n1 is played by hand.
struct Scene {
  explicit Scene(const std::function<void(LinkOptions&)>& change = [](LinkOptions&) {}) {
    options = flock.options(0);
    options.redial_min = options.redial_refused =
        std::chrono::seconds{5};  // it does not dial again
    options.redial_max = std::chrono::seconds{5};
    change(options);
    node = std::make_unique<Node>(io, options);
    REQUIRE((*node)->listen().ok());
    (*node)->start();
  }
  LinkOptions n1() const { return flock.options(1); }
  std::unique_ptr<RawPeer> dial() { return std::make_unique<RawPeer>(io, flock.port(0)); }
  // The link is up.
  std::unique_ptr<RawPeer> connected() {
    auto raw = dial();
    REQUIRE(raw->shake_hands(n1(), "n0") == 1);
    REQUIRE(run_until(io, [&] { return node->up(); }));
    forget();
    return raw;
  }
  void say(const wire::Hello& hello) {
    auto raw = dial();
    raw->send_message(FrameType::hello, 0, hello);
    REQUIRE(raw->next().has_value());
    CHECK(raw->closed());
  }
  // What came before is of no interest: the first dial, which nobody answered.
  void forget() { seen = lines_of(*node).size(); }
  // One line since then, and it stays one.
  std::string line() {
    REQUIRE(run_until(io, [&] { return lines_of(*node).size() > seen; }));
    run_for(io, milliseconds{30});
    const Lines all = lines_of(*node);
    CHECK(all.size() == seen + 1);
    return all.back();
  }

  asio::io_context io;
  Flock flock{2};
  LinkOptions options;
  std::unique_ptr<Node> node;
  std::size_t seen = 0;
};

// A Hello that is refused leaves this line, is counted, and is the last reason.
void expect_refused(const wire::Hello& hello, const std::string& why) {
  Scene scene;
  run_for(scene.io, milliseconds{20});
  scene.forget();
  scene.say(hello);
  CHECK(scene.line() ==
        "[warning] n1 (ADDRESS): link refused: " + why + "; the connection is closed");
  CHECK(scene.node->status().refusals == 1);
  CHECK(scene.node->status().losses == 0);
  CHECK(scene.node->status().last_reason == why);
  for (int again = 0; again < 3; ++again) scene.say(hello);
  CHECK(lines_of(*scene.node).size() == scene.seen + 1);
  CHECK(scene.node->status().refusals == 4);
}

// A frame ends the session with this line.
void expect_broken(const FrameHeader& header, const std::string& message, const std::string& why) {
  Scene scene;
  const auto raw = scene.connected();
  raw->send(header, message);
  CHECK(scene.line() ==
        "[warning] n1 is down, epoch 1: n1 broke the protocol: " + why + "; redialled in T s");
  CHECK(scene.node->status().losses == 1);
  CHECK(scene.node->status().last_reason == "n1 broke the protocol: " + why);
}

}  // namespace

TEST_CASE("refusal lines: of a Hello") {
  Flock flock(2);
  auto options = flock.options(1);
  expect_refused(hello_of(options, "n5"), "this node is n0, and n1 wanted 'n5'");
  auto hello = hello_of(options, "n0");
  hello.set_version_min(2);
  hello.set_version_max(3);
  expect_refused(hello, "no frame version in common with n1: 1 here, 2 to 3 there");
  options.fingerprint[2].value = "8";
  expect_refused(hello_of(options, "n0"),
                 "the run of n1 is another one: seed is '7' here and '8' there");
}

TEST_CASE("refusal lines: of strangers") {
  Scene scene;
  run_for(scene.io, milliseconds{20});
  scene.forget();
  auto stranger = scene.n1();
  stranger.self_name = "n9";
  scene.say(hello_of(stranger, "n0"));
  CHECK(scene.line() ==
        "[warning] ADDRESS: connection closed: 'n9' is no neighbor of n0 in its run file");
  scene.forget();
  scene.dial()->send_bytes(
      std::as_bytes(std::span("GET / HTTP/1.1\r\nHost: here\r\nAccept: */*\r\n"
                              "User-Agent: some crawler, version 7\r\n")));
  CHECK(scene.line() ==
        "[warning] ADDRESS: connection closed: frame magic is 0x20544547, expected 0x4c525453; "
        "whoever speaks there is no Starling node");
  CHECK(scene.node->status().refusals == 0);
}

TEST_CASE("refusal lines: of what should have brought a link up") {
  const auto refused = [](FrameHeader header, const std::string& message, const std::string& why) {
    Scene scene;
    run_for(scene.io, milliseconds{20});
    scene.forget();
    const auto raw = scene.dial();
    raw->send_message(FrameType::hello, 0, hello_of(scene.n1(), "n0"));
    REQUIRE(raw->next().has_value());  // the Welcome
    raw->send(header, message);
    CHECK(scene.line() ==
          "[warning] n1 (ADDRESS): link refused: " + why + "; the connection is closed");
    CHECK(raw->closed());
    CHECK(scene.node->status().refusals == 1);
    CHECK(scene.node->status().last_reason == why);
  };
  refused({.type = FrameType::exchange, .epoch = 1}, "",
          "frame type is 6 in the handshake, expected 4 (heartbeat)");
  refused({.type = FrameType::heartbeat, .epoch = 2}, "", "frame epoch is 2, expected 1");
  refused({.type = FrameType::heartbeat, .epoch = 1}, "\xff\xff",
          "a Heartbeat of 2 bytes does not parse");
}

TEST_CASE("refusal lines: of a Hello after more links than an edge can have had") {
  Flock flock(2);
  wire::Hello hello = hello_of(flock.options(1), "n0");
  hello.set_last_epoch(~0u);
  expect_refused(hello, "the last epoch of n1 is 4294967295, expected at most 16777216");
}

TEST_CASE("refusal lines: of frames on a link that is up") {
  expect_broken({.type = FrameType::exchange, .epoch = 2}, "", "frame epoch is 2, expected 1");
  expect_broken({.type = FrameType::exchange, .epoch = 1, .sequence = 1}, "",
                "frame sequence is 1, expected 0");
  expect_broken({.type = FrameType::exchange, .epoch = 1}, "x",
                "frame message length is 1, expected 0");
  expect_broken({.type = FrameType::welcome, .epoch = 1}, "",
                "frame type is 2 on a link that is up, expected 4 (heartbeat), 5 (goodbye) or 6 to "
                "13 (of the algorithm)");
  expect_broken({.type = FrameType::heartbeat, .epoch = 1}, "\xff\xff",
                "a Heartbeat does not parse");
  expect_broken({.type = FrameType::goodbye, .epoch = 1}, "\xff\xff", "a Goodbye does not parse");
}

TEST_CASE("refusal lines: of what the node itself finds wrong") {
  {
    Scene scene;
    const auto raw = scene.connected();
    (*scene.node)->misbehaved(node_id(1), "a body of 3 bytes, expected 4");
    CHECK(scene.line() ==
          "[warning] n1 is down, epoch 1: it broke the protocol: a body of 3 bytes, expected 4; "
          "redialled in T s");
    scene.forget();
    scene.say(hello_of(scene.n1(), "n0"));
    CHECK(scene.line() ==
          "[warning] n1 (ADDRESS): link refused: n0 takes no link from n1 for a moment, since it "
          "broke the protocol; the connection is closed");
  }
  Scene scene;
  const auto raw = scene.connected();
  (*scene.node)->left_out(node_id(1), "nothing came for round 7 within 3.1 s");
  CHECK(scene.line() ==
        "[warning] n1 is down, epoch 1: it was left out: nothing came for round 7 within 3.1 s; "
        "redialled in T s");
}

TEST_CASE("refusal lines: of links that are lost") {
  {
    Scene scene;
    scene.connected();  // and gone
    CHECK(scene.line().starts_with("[info] n1 is down, epoch 1: the connection was "));
    CHECK(scene.node->status().losses == 1);
    CHECK(scene.node->status().refusals == 0);
  }
  {
    Scene scene([](LinkOptions& o) { o.silence_max = milliseconds{100}; });
    const auto raw = scene.connected();
    CHECK(scene.line() ==
          "[info] n1 is down, epoch 1: nothing was heard for 0.1 s; redialled in T s");
  }
  {
    Scene scene;
    const auto raw = scene.connected();
    wire::Goodbye goodbye;
    goodbye.set_reason(wire::Goodbye::stopped);
    raw->send_message(FrameType::goodbye, 1, goodbye);
    CHECK(scene.line() == "[info] n1 is down, epoch 1: n1 was stopped; redialled in T s");
  }
  Scene scene([](LinkOptions& o) { o.queue_bytes_max = 1000; });
  const auto raw = scene.connected();
  (*scene.node)->send(node_id(1), {.epoch = 1}, bytes_of(1000, 1));
  CHECK(
      scene.line() ==
      "[info] n1 is down, epoch 1: n1 takes too little: 0 bytes are queued for it, 1064 more would "
      "pass the limit of 1000; redialled in T s");
}

TEST_CASE("refusal lines: of handshakes that are begun again and again") {
  Scene scene;
  run_for(scene.io, milliseconds{20});
  scene.forget();
  std::vector<std::unique_ptr<RawPeer>> begun;
  for (int i = 0; i < 5; ++i) {
    begun.push_back(scene.dial());
    begun.back()->send_message(FrameType::hello, 0, hello_of(scene.n1(), "n0"));
    REQUIRE(begun.back()->next().has_value());  // the Welcome
  }
  CHECK(scene.line() ==
        "[warning] n1 (ADDRESS): n1 has begun 5 handshakes and finished none, expected at most 4; "
        "the oldest is closed");
  CHECK(begun.front()->closed());
  CHECK(scene.node->status().refusals == 1);
}

TEST_CASE("refusal lines: of those who answer a dial of ours") {
  const auto answered = [](FrameType type, const google::protobuf::MessageLite& message) {
    Scene scene;
    Tcp::acceptor n1(scene.io);
    n1.open(Tcp::v4());
    n1.set_option(Tcp::acceptor::reuse_address(true));
    n1.bind(Tcp::endpoint(asio::ip::address_v4::loopback(), scene.flock.port(1)));
    n1.listen();
    // The first dial may have been before that; the node is killed and another one dials.
    scene.node = std::make_unique<Node>(scene.io, scene.options);
    REQUIRE((*scene.node)->listen().ok());
    (*scene.node)->start();
    std::optional<Tcp::socket> socket;
    n1.async_accept([&](std::error_code failed, Tcp::socket accepted) {
      if (!failed) socket = std::move(accepted);
    });
    REQUIRE(run_until(scene.io, [&] { return socket.has_value(); }));
    const std::string text = message.SerializeAsString();
    FrameHeader header{.type = type,
                       .message_bytes = static_cast<std::uint32_t>(text.size()),
                       .payload_hash = hash_payload(std::as_bytes(std::span(text)), {})};
    const FrameHeaderBytes head = encode_header(header);
    asio::write(*socket, std::array{asio::buffer(head), asio::buffer(text)});
    const std::string line = scene.line();
    CHECK(scene.node->status().refusals == 1);
    return line;
  };
  wire::Refusal refusal;
  refusal.set_reason(wire::Refusal::fingerprint);
  refusal.set_field("seed");
  refusal.set_ours("8");
  refusal.set_theirs("7");
  CHECK(answered(FrameType::refusal, refusal) ==
        "[warning] n1 (ADDRESS): link refused: the run of n1 is another one: seed is '7' here and "
        "'8' there; the connection is closed");
  Flock flock(2);
  const Introduction other{"n2", flock.options(1).fingerprint};
  CHECK(answered(FrameType::welcome, make_welcome(other, 1, 0)) ==
        "[warning] n1 (ADDRESS): link refused: n0 dialled n1, and 'n2' answered; the connection is "
        "closed");
  const Introduction self{"n1", flock.options(1).fingerprint};
  CHECK(answered(FrameType::welcome, make_welcome(self, 0, 0)) ==
        "[warning] n1 (ADDRESS): never connected: its epoch is 0, expected 1 to 16777217; again "
        "in T s");
  CHECK(answered(FrameType::welcome, make_welcome(self, ~0u, 0)) ==
        "[warning] n1 (ADDRESS): never connected: its epoch is 4294967295, expected 1 to 16777217; "
        "again in T s");
  CHECK(answered(FrameType::heartbeat, wire::Heartbeat{}) ==
        "[warning] n1 (ADDRESS): never connected: frame type is 4 in the handshake, expected 2 "
        "(welcome) or 3 (refusal); again in T s");
}
