// An input is a frame header with a payload. Where its first byte is odd it is the fields of one
// instead, so that what lies behind the header's own check is reached. Aborts where a header is
// taken that is over the limits or is not the one that was written, or refused without a word.
#include "protocol/frame.h"

#include <algorithm>
#include <array>

#include "corpus.h"
#include "input.h"
#include "protocol/bytes.h"
#include "protocol/check.h"

namespace starling::fuzz {
namespace {

constexpr FrameLimits kLimits{.message_bytes_max = 100, .body_bytes_max = 10'000};

Seed with_mode(int mode, std::span<const std::byte> bytes) {
  Seed seed(bytes.begin(), bytes.end());
  seed.insert(seed.begin(), static_cast<std::byte>(mode));
  return seed;
}

FrameHeader header_of(Input& input) {
  FrameHeader header;
  header.type = static_cast<FrameType>(input.byte());
  header.message_bytes = input.number<std::uint32_t>();
  header.body_bytes = input.number<std::uint64_t>();
  header.epoch = input.number<Epoch>();
  header.sequence = input.number<Sequence>();
  header.round = input.number<Round>();
  header.exchange = input.number<std::uint32_t>();
  header.base_hash = input.number<std::uint64_t>();
  header.payload_hash = input.number<std::uint64_t>();
  return header;
}

void check_limits(const FrameHeader& header) {
  INVARIANT(header.message_bytes <= kLimits.message_bytes_max);
  INVARIANT(header.body_bytes <= kLimits.body_bytes_max);
  INVARIANT(header.type >= FrameType::hello && header.type <= kLastFrameType);
}

void read(std::span<const std::byte> bytes) {
  if (bytes.size() < kFrameHeaderBytes) return;
  const auto head = bytes.first<kFrameHeaderBytes>();
  const auto header = decode_header(head, kLimits);
  if (!header) {
    INVARIANT(header.error().code == ErrorCode::peer && !header.error().message.empty());
    return;
  }
  check_limits(*header);
  INVARIANT(std::ranges::equal(encode_header(*header), head));
  const auto payload = bytes.subspan(kFrameHeaderBytes);
  const auto message = payload.first(std::min<std::size_t>(header->message_bytes, payload.size()));
  const auto body = payload.subspan(message.size());
  INVARIANT(hash_payload(message, body) == hash_payload(message, body.empty() ? 0 : hash_of(body)));
}

void write(Input input) {
  const FrameHeader header = header_of(input);
  const auto again = decode_header(encode_header(header), kLimits);
  if (!again) {
    INVARIANT(!again.error().message.empty());
    return;
  }
  check_limits(*again);
  INVARIANT(*again == header);
}

}  // namespace

std::vector<Seed> seeds() {
  const FrameHeader hello{.type = FrameType::hello, .message_bytes = 40, .payload_hash = 5};
  const FrameHeader exchange{.type = FrameType::exchange,
                             .body_bytes = 10'000,
                             .epoch = 3,
                             .sequence = 17,
                             .round = 12,
                             .exchange = 1,
                             .base_hash = 0x0123456789abcdef,
                             .payload_hash = 99};
  FrameHeader large = exchange;
  large.body_bytes = 10'001;
  Seed damaged = with_mode(0, encode_header(exchange));
  damaged[20] ^= std::byte{4};
  std::array<std::byte, 53> fields{};
  fields[0] = std::byte{6};
  fields[6] = std::byte{200};
  return {with_mode(0, encode_header(hello)), with_mode(0, encode_header(exchange)),
          with_mode(0, encode_header(large)), damaged, with_mode(1, fields)};
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling;
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  data[0] % 2 == 0 ? fuzz::read(bytes) : fuzz::write({data + 1, size - 1});
  return 0;
}
