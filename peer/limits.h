// What somebody on the network can take of this node before it has proved who it is, and after.
// SECURITY.md shows these numbers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace starling::peer {

// Accepted connections that have not finished their handshake. Beside them each neighbor has two of
// its own. The next one is not accepted until one of them is over.
inline constexpr std::size_t kStrangersMax = 32;
// The same from one address; one more is closed at once. Each neighbor that the run file has at
// that address adds two.
inline constexpr std::size_t kStrangersPerAddressMax = 8;
// Of the io thread's time, what the TLS handshakes of accepted connections take at most, one after
// the other: links are served in the rest.
inline constexpr double kStrangersShare = 0.1;
// Accepted Hellos of one neighbor; the oldest goes.
inline constexpr std::size_t kPendingMax = 4;
// Of a peer's certificates, all together.
inline constexpr std::size_t kCertificateBytesMax = 8192;
// What a peer may still send before a connection that refused it is closed without waiting more.
inline constexpr std::size_t kDrainedBytesMax = 65536;
inline constexpr std::chrono::seconds kDrainMax{1};
// A frame under way counts as progress each time that this much of it has come, so a peer that is
// slower than this in each silence_max (10 s), 4 KiB/s, is closed.
inline constexpr std::size_t kProgressBytes = 40960;

// The newest epoch of an edge that its other end may tell of, where this end, whose own is `ours`,
// knows of no such thing: as many links as one has in half a year of a link a second, or a few more
// than ours. Epochs only grow, and one of the last would be the end of the edge for ever.
inline constexpr std::uint32_t kEpochToldMax = 1 << 24, kEpochsAheadMax = 16;
constexpr std::uint32_t epoch_told_max(std::uint32_t ours) {
  return ours < kEpochToldMax - kEpochsAheadMax ? kEpochToldMax : ours + kEpochsAheadMax;
}

// In which a link that says goodbye may send what is queued before it is closed.
inline constexpr std::chrono::seconds kLingerMax{1};

// Of the largest frames: what is queued for a peer, and what the owner of a link holds of its
// bodies, where LinkOptions gives no bytes.
inline constexpr std::uint64_t kQueueFramesMax = 2;

}  // namespace starling::peer
