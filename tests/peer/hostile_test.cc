// A neighbor with a key that breaks the rules of a link again and again (reliability specification
// F, number 6). tests/system/hostile_test.py does it to a daemon, where it is let in once a second;
// here it always is.
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <regex>

#include "tests/support/effort.h"
#include "tls_peer.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

constexpr int kFrames = effort(3000, 300);
constexpr int kWarmUp = 100;  // before memory is compared
constexpr std::uint64_t kGrowthMax = 8 << 20;

struct Broken {
  FrameHeaderBytes header;
  std::string message = {};
  std::string why = {};
};

// With its check made right again.
template <class T>
FrameHeaderBytes changed(FrameHeaderBytes header, std::size_t at, T value) {
  std::memcpy(header.data() + at, &value, sizeof value);
  std::memset(header.data() + 44, 0, 4);
  const auto check = static_cast<std::uint32_t>(hash_of(header));
  std::memcpy(header.data() + 44, &check, sizeof check);
  return header;
}

std::vector<Broken> broken_frames(Epoch epoch) {
  const auto of = [epoch](FrameHeader header) {
    if (header.epoch == 0) header.epoch = epoch;
    return encode_header(header);
  };
  const FrameHeaderBytes good = of({.type = FrameType::exchange});
  FrameHeaderBytes damaged = good;
  damaged[44] ^= std::byte{1};
  const std::string bad = "\xff\xff";
  const std::uint64_t bad_hash = hash_payload(std::as_bytes(std::span(bad)), {});
  return {
      {changed(good, 0, std::uint32_t{0x50545448}), "", "frame magic is 0x50545448, expected 0x4c"},
      {changed(good, 4, std::uint8_t{2}), "", "frame version is 2, this node speaks 1"},
      {damaged, "", "frame header check is 0x"},
      {changed(good, 5, std::uint8_t{14}), "", "frame type is 14, known are 1 to 13"},
      {changed(good, 6, std::uint16_t{1}), "", "frame flags are 0x0001, none is defined"},
      {of({.type = FrameType::heartbeat, .message_bytes = 4097}), "",
       "frame message of 4097 bytes is over the limit of 4096"},
      {of({.type = FrameType::exchange, .body_bytes = (1 << 20) + 1}), "",
       "frame body of 1048577 bytes is over the limit of 1048576"},
      {of({.type = FrameType::ask, .body_bytes = 1}), "",
       "frame body of type 10 has 1 bytes, expected at most 0"},
      {of({.type = FrameType::exchange, .epoch = epoch + 1}), "",
       fmt::format("frame epoch is {}, expected {}", epoch + 1, epoch)},
      {of({.type = FrameType::exchange, .sequence = 9}), "", "frame sequence is 9, expected 0"},
      {of({.type = FrameType::exchange, .message_bytes = 2, .payload_hash = bad_hash}), bad,
       "frame message length is 2, expected 0"},
      {of({.type = FrameType::heartbeat, .body_bytes = 1}), "",
       "frame body length is 1, expected 0"},
      {of({.type = FrameType::hello}), "", "frame type is 1 on a link that is up, expected 4"},
      {of({.type = FrameType::exchange, .payload_hash = 1}), "",
       "frame payload hash is 0x0000000000000001, computed 0x0000000000000000"},
      {of({.type = FrameType::heartbeat, .message_bytes = 2, .payload_hash = bad_hash}), bad,
       "a Heartbeat does not parse"},
      {of({.type = FrameType::goodbye, .message_bytes = 2, .payload_hash = bad_hash}), bad,
       "a Goodbye does not parse"},
  };
}

// Lines about lost links since the last call, and those that each of them says were held back.
int told_in(Node& node) {
  static const std::regex kLine(
      R"(\[warning\] n1 is down, epoch \d+: n1 broke the protocol: .*; redialled in \d+\.\d+ s)"
      R"((?: \((\d+) more like this since the last such line\))?)");
  const std::string log = node.log();
  int told = 0;
  for (std::sregex_iterator line(log.begin(), log.end(), kLine), end; line != end; ++line) {
    told += 1 + ((*line)[1].matched ? std::stoi((*line)[1]) : 0);
  }
  return told;
}

}  // namespace

TEST_CASE("hostile: each malformed frame of thousands ends a link, is counted and costs nothing") {
  const char* const wanted = std::getenv("STARLING_HOSTILE_FRAMES");
  const int count = wanted ? std::atoi(wanted) : kFrames;
  asio::io_context io;
  Flock flock(3, true);
  auto options = flock.options(0);
  options.redial_refused = Duration{0};  // and nobody is barred
  Node node(io, options);
  auto honest_options = flock.options(2);
  std::erase_if(honest_options.neighbors, [](const Neighbor& n) { return n.id == node_id(1); });
  Node honest(io, honest_options);
  for (Node* n : {&node, &honest}) {
    REQUIRE((*n)->listen().ok());
    (*n)->start();
  }
  REQUIRE(run_until(io, [&] { return node.up(1) && honest.up(); }));
  std::uint64_t before = 0;
  int told = 0;
  for (int i = 0; i < count; ++i) {
    if (i == kWarmUp) before = resident_bytes();
    TlsPeer raw(io, flock.port(0));
    REQUIRE(raw.secure(flock.keys()[1], flock.keys()[0].pin()).ok());
    raw.send(FrameType::hello, 0, hello_of(flock.options(1), "n0"));
    const auto answer = raw.next();
    wire::Welcome welcome;
    REQUIRE((answer.ok() && welcome.ParseFromString(answer.value().second)));
    raw.send(FrameType::heartbeat, welcome.epoch(), wire::Heartbeat{});
    const std::vector<Broken> all = broken_frames(welcome.epoch());
    const Broken& broken = all[static_cast<std::size_t>(i) % all.size()];
    node.forget();
    raw.send_bytes(broken.header);
    if (!broken.message.empty()) raw.send_bytes(std::as_bytes(std::span(broken.message)));
    REQUIRE(
        run_until(io, [&] { return node.status(0).losses == static_cast<std::uint64_t>(i) + 1; }));
    CAPTURE(broken.why);
    CAPTURE(node.told.back());
    REQUIRE(node.told.back().starts_with("down 1: n1 broke the protocol: " + broken.why));
    told += told_in(node);
  }
  CHECK(node.status(0).losses + node.status(0).refusals == static_cast<std::uint64_t>(count));
  // What was held back since the newest line is not told yet.
  CHECK(told >= 1);
  CHECK(told <= count);
  if (count > kWarmUp) CHECK(grew_less(before, kGrowthMax));
  CHECK(node.up(1));
  CHECK(node.status(1).losses == 0);
  CHECK(honest.told == std::vector<std::string>{"up 0 epoch 1"});
}
