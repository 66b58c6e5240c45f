#include "protocol/frame.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>

#include "protocol/bytes.h"
#include "protocol/peer.pb.h"

using namespace starling;

namespace {

const FrameLimits kLimits{.message_bytes_max = 4096, .body_bytes_max = 1 << 20};

const FrameHeader kExample{.type = FrameType::exchange,
                           .message_bytes = 0,
                           .body_bytes = 1000,
                           .epoch = 3,
                           .sequence = 17,
                           .round = 0x0102030405060708,
                           .exchange = 2,
                           .base_hash = 0xaabbccddeeff0011,
                           .payload_hash = 0x1122334455667788};

// What decode_header says about the example with `change` made to its bytes. Where `resealed`, the
// header check is computed anew, as by a peer that means it.
std::string refusal(const std::function<void(FrameHeaderBytes&)>& change, bool resealed = true) {
  auto bytes = encode_header(kExample);
  change(bytes);
  if (resealed) {
    std::fill_n(bytes.begin() + 44, 4, std::byte{0});
    const auto check = static_cast<std::uint32_t>(hash_of(bytes));
    std::memcpy(bytes.data() + 44, &check, 4);
  }
  const auto decoded = decode_header(bytes, kLimits);
  if (decoded) return "";
  CHECK(decoded.error().code == ErrorCode::peer);
  return decoded.error().message;
}

template <class T>
std::function<void(FrameHeaderBytes&)> put(std::size_t at, T value) {
  return [=](FrameHeaderBytes& bytes) { std::memcpy(bytes.data() + at, &value, sizeof value); };
}

}  // namespace

TEST_CASE("a header comes back as it was, for every type and at the ends of every range") {
  for (int type = 1; type <= 9; ++type) {
    FrameHeader header = kExample;
    header.type = static_cast<FrameType>(type);
    const auto decoded = decode_header(encode_header(header), kLimits);
    REQUIRE(decoded.ok());
    CHECK(decoded.value() == header);
  }
  const FrameHeader smallest{.type = FrameType::hello};
  CHECK(decode_header(encode_header(smallest), {}).value() == smallest);
  const FrameHeader largest{.type = FrameType::exchange,
                            .message_bytes = ~0u,
                            .body_bytes = ~0ull,
                            .epoch = ~0u,
                            .sequence = ~0ull,
                            .round = ~0ull,
                            .exchange = ~0u,
                            .base_hash = ~0ull,
                            .payload_hash = ~0ull};
  CHECK(decode_header(encode_header(largest), {~0u, ~0ull}).value() == largest);
}

TEST_CASE("every refusal names the field, the value and what is allowed") {
  CHECK(refusal(put<std::uint32_t>(0, 0x20544547)) ==
        "frame magic is 0x20544547, expected 0x4c525453; whoever speaks there is no Starling node");
  CHECK(refusal(put<std::uint8_t>(4, 2)) == "frame version is 2, this node speaks 1");
  CHECK(refusal(put<std::uint8_t>(5, 0)) == "frame type is 0, known are 1 to 13");
  CHECK(refusal(put<std::uint8_t>(5, 14)) == "frame type is 14, known are 1 to 13");
  CHECK(refusal(put<std::uint16_t>(6, 0x8000)) == "frame flags are 0x8000, none is defined");
  CHECK(refusal(put<std::uint32_t>(8, 4097)) ==
        "frame message of 4097 bytes is over the limit of 4096");
  CHECK(refusal(put<std::uint64_t>(16, (1 << 20) + 1)) ==
        "frame body of 1048577 bytes is over the limit of 1048576");
  CHECK(refusal(put<std::uint64_t>(16, ~0ull)) ==
        "frame body of 18446744073709551615 bytes is over the limit of 1048576");
  CHECK(refusal(put<std::uint32_t>(8, 4096)).empty());
  CHECK(refusal(put<std::uint64_t>(16, 1 << 20)).empty());
  CHECK(refusal(put<std::uint32_t>(44, 1), false)
            .starts_with("frame header check is 0x00000001, computed 0x"));
}

TEST_CASE("a header with any one bit flipped is refused") {
  for (std::size_t bit = 0; bit < 8 * kFrameHeaderBytes; ++bit) {
    CAPTURE(bit);
    CHECK_FALSE(
        refusal([bit](FrameHeaderBytes& bytes) { bytes[bit / 8] ^= std::byte{1} << (bit % 8); },
                false)
            .empty());
  }
}

TEST_CASE("the payload's hash covers the message and the body, and where one ends") {
  const std::string text = "abcdef";
  const auto bytes = std::as_bytes(std::span(text));
  CHECK(hash_payload({}, {}) == 0);
  CHECK(hash_payload({}, bytes) == hash_of(bytes));
  CHECK(hash_payload(bytes, {}) != hash_payload({}, bytes));
  CHECK(hash_payload(bytes.first(2), bytes.subspan(2)) !=
        hash_payload(bytes.first(3), bytes.subspan(3)));
}

// protocol/README.md shows this frame; whoever changes the format changes the page.
TEST_CASE("the example in README.md is what the code writes") {
  starling::wire::Heartbeat heartbeat;
  heartbeat.set_round(300);
  const std::string message = heartbeat.SerializeAsString();
  const auto bytes =
      encode_header({.type = FrameType::heartbeat,
                     .message_bytes = static_cast<std::uint32_t>(message.size()),
                     .epoch = 2,
                     .payload_hash = hash_payload(std::as_bytes(std::span(message)), {})});
  std::string hex;
  std::size_t at = 0;
  const auto add = [&](unsigned char byte) {
    if (at % 16 == 0) hex += fmt::format("{}{:02x} ", at == 0 ? "" : "\n", at);
    hex += fmt::format(" {:02x}", byte);
    ++at;
  };
  for (const std::byte byte : bytes) add(static_cast<unsigned char>(byte));
  for (const char byte : message) add(static_cast<unsigned char>(byte));

  std::ifstream file(STARLING_SOURCE_DIR "/protocol/README.md");
  std::stringstream readme;
  readme << file.rdbuf();
  INFO("the frame is now:\n", hex);
  CHECK(readme.str().find(hex) != std::string::npos);
}
