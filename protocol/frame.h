// The fixed header in front of everything that two nodes say to each other.
// README.md beside this file documents every byte and shows one example in hex.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling {

inline constexpr std::uint32_t kFrameMagic = 0x4c525453;  // "STRL" on the wire
inline constexpr std::uint8_t kFrameVersion = 1;
inline constexpr std::size_t kFrameHeaderBytes = 64;

enum class FrameType : std::uint8_t {
  hello = 1,      // dialler's first frame; message Hello
  welcome = 2,    // listener's answer; message Welcome
  refusal = 3,    // either side's last frame: why there will be no link; message Refusal
  heartbeat = 4,  // message Heartbeat
  goodbye = 5,    // last frame of an orderly end; message Goodbye
  // Of the algorithm: no Protocol Buffers message, raw body.
  exchange = 6,    // one end's message of an exchange
  opening = 7,     // the same behind what the neighbor has missed
  settlement = 8,  // the first on a link that was up before: where the edge stands at this end
  joining = 9,     // the sender, in the middle of a round, takes part from header.round on; no body
  // Of a node that joins a flock which is under way, and of whoever gives it a model.
  ask = 10,  // base_hash 0: for a snapshot; otherwise for piece `exchange` of that one; no body
  snapshot = 11,  // what the sender gives: base_hash, or 0 for nothing; body: its round
  piece = 12,     // piece `exchange` of the snapshot base_hash: raw float32
  missed = 13,    // of a mesh: base_hash 1, the sender misses node `exchange`; 0: no more; no body
};
inline constexpr FrameType kLastFrameType = FrameType::missed;

// Of which exchanges and what prepares them are made; the others have nothing to do with the edge.
constexpr bool is_of_edge(FrameType type) {
  return type >= FrameType::exchange && type <= FrameType::joining;
}

// A model goes in pieces of so many bytes; the last one may be shorter.
inline constexpr std::size_t kPieceBytes = 256 << 10;
inline constexpr std::size_t kSnapshotBodyBytes = 8;

struct FrameHeader {
  FrameType type{};
  std::uint32_t message_bytes = 0;  // the Protocol Buffers message that follows the header
  std::uint64_t body_bytes = 0;     // the raw body that follows the message
  Epoch epoch = 0;
  Sequence sequence = 0;
  Round round = 0;
  std::uint32_t exchange = 0;      // which message of the round this is, from 0
  std::uint64_t base_hash = 0;     // of the replica that a difference applies to; 0: none
  std::uint64_t payload_hash = 0;  // see hash_payload()
  bool operator==(const FrameHeader&) const = default;
};

// The most that the payload of a frame may weigh, computed from our own configuration; a number
// read from the wire never sizes a buffer before it has passed these.
struct FrameLimits {
  std::uint32_t message_bytes_max = 4096;
  std::uint64_t body_bytes_max = 0;
};

using FrameHeaderBytes = std::array<std::byte, kFrameHeaderBytes>;

FrameHeaderBytes encode_header(const FrameHeader& header);

// Fails (ErrorCode::peer) with the field, the value seen and what is allowed: magic, version, type,
// flags, header check, lengths.
Result<FrameHeader> decode_header(std::span<const std::byte, kFrameHeaderBytes> bytes,
                                  const FrameLimits& limits);

// XXH3-64 of the message and then of the body, combined; 0 for an empty payload.
std::uint64_t hash_payload(std::span<const std::byte> message, std::span<const std::byte> body);
// The same where the body's hash_of() is known already; 0 for an empty body.
std::uint64_t hash_payload(std::span<const std::byte> message, std::uint64_t body_hash);

}  // namespace starling
