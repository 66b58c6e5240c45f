#include "protocol/frame.h"

#include <fmt/format.h>

#include <cstring>

#include "protocol/bytes.h"

namespace starling {
namespace {

// Offsets of the fields; README.md is their documentation.
enum Offset : std::size_t {
  kMagic = 0,
  kVersion = 4,
  kType = 5,
  kFlags = 6,
  kMessageBytes = 8,
  kEpoch = 12,
  kBodyBytes = 16,
  kSequence = 24,
  kRound = 32,
  kExchange = 40,
  kHeaderCheck = 44,
  kBaseHash = 48,
  kPayloadHash = 56,
};

template <class T>
void put(FrameHeaderBytes& out, Offset at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}

template <class T>
T get(std::span<const std::byte, kFrameHeaderBytes> in, Offset at) {
  T value;
  std::memcpy(&value, in.data() + at, sizeof value);
  return value;
}

// Low half of XXH3-64 over the header with this field zero.
std::uint32_t header_check(FrameHeaderBytes bytes) {
  put<std::uint32_t>(bytes, kHeaderCheck, 0);
  return static_cast<std::uint32_t>(hash_of(bytes));
}

Error refused(std::string message) { return {ErrorCode::peer, std::move(message)}; }

}  // namespace

FrameHeaderBytes encode_header(const FrameHeader& h) {
  FrameHeaderBytes out{};
  put(out, kMagic, kFrameMagic);
  put(out, kVersion, kFrameVersion);
  put(out, kType, static_cast<std::uint8_t>(h.type));
  put<std::uint16_t>(out, kFlags, 0);
  put(out, kMessageBytes, h.message_bytes);
  put(out, kEpoch, h.epoch);
  put(out, kBodyBytes, h.body_bytes);
  put(out, kSequence, h.sequence);
  put(out, kRound, h.round);
  put(out, kExchange, h.exchange);
  put(out, kBaseHash, h.base_hash);
  put(out, kPayloadHash, h.payload_hash);
  put(out, kHeaderCheck, header_check(out));
  return out;
}

Result<FrameHeader> decode_header(std::span<const std::byte, kFrameHeaderBytes> in,
                                  const FrameLimits& limits) {
  const auto magic = get<std::uint32_t>(in, kMagic);
  if (magic != kFrameMagic) {
    return refused(
        fmt::format("frame magic is {:#010x}, expected {:#010x}; whoever speaks there is "
                    "no Starling node",
                    magic, kFrameMagic));
  }
  const auto version = get<std::uint8_t>(in, kVersion);
  if (version != kFrameVersion) {
    return refused(fmt::format("frame version is {}, this node speaks {}", version, kFrameVersion));
  }
  FrameHeaderBytes copy;
  std::memcpy(copy.data(), in.data(), copy.size());
  const auto check = get<std::uint32_t>(in, kHeaderCheck);
  if (check != header_check(copy)) {
    return refused(fmt::format("frame header check is {:#010x}, computed {:#010x}", check,
                               header_check(copy)));
  }
  const auto type = get<std::uint8_t>(in, kType);
  if (type < static_cast<std::uint8_t>(FrameType::hello) ||
      type > static_cast<std::uint8_t>(kLastFrameType)) {
    return refused(
        fmt::format("frame type is {}, known are 1 to {}", type, static_cast<int>(kLastFrameType)));
  }
  if (const auto flags = get<std::uint16_t>(in, kFlags); flags != 0) {
    return refused(fmt::format("frame flags are {:#06x}, none is defined", flags));
  }
  FrameHeader h;
  h.type = static_cast<FrameType>(type);
  h.message_bytes = get<std::uint32_t>(in, kMessageBytes);
  h.body_bytes = get<std::uint64_t>(in, kBodyBytes);
  h.epoch = get<Epoch>(in, kEpoch);
  h.sequence = get<Sequence>(in, kSequence);
  h.round = get<Round>(in, kRound);
  h.exchange = get<std::uint32_t>(in, kExchange);
  h.base_hash = get<std::uint64_t>(in, kBaseHash);
  h.payload_hash = get<std::uint64_t>(in, kPayloadHash);
  if (h.message_bytes > limits.message_bytes_max) {
    return refused(fmt::format("frame message of {} bytes is over the limit of {}", h.message_bytes,
                               limits.message_bytes_max));
  }
  if (h.body_bytes > limits.body_bytes_max) {
    return refused(fmt::format("frame body of {} bytes is over the limit of {}", h.body_bytes,
                               limits.body_bytes_max));
  }
  return h;
}

std::uint64_t hash_payload(std::span<const std::byte> message, std::span<const std::byte> body) {
  return hash_payload(message, body.empty() ? 0 : hash_of(body));
}

std::uint64_t hash_payload(std::span<const std::byte> message, std::uint64_t body_hash) {
  const std::uint64_t first = message.empty() ? 0 : hash_of(message);
  return first * 0x9e3779b97f4a7c15ULL + body_hash;
}

}  // namespace starling
