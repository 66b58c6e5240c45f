// What the two ends of an edge say to each other after a break, and what they conclude from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "compress/norm_sketch.h"
#include "gossip/exchange.h"
#include "protocol/bytes.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::gossip {

// Where an edge stands at one end: what the other one needs to know on a link that is up again.
struct Settlement {
  Epoch history = 0;         // the epoch in which the state of the edge began; 0: there is none
  std::uint64_t count = 0;   // exchanges counted since
  std::uint64_t chain = 0;   // hash of all their messages
  std::uint64_t before = 0;  // the chain without the last one
  std::optional<Exchange> last = std::nullopt;     // counted
  std::optional<Exchange> pending = std::nullopt;  // sent, and not counted here
  std::uint64_t terms = 0;                         // hash of its terms
  // Our message of the last exchange is still here. It is let go of when the neighbor has counted
  // it; one that comes back with an older checkpoint may lack it again.
  bool last_kept = false;
  std::uint64_t state = 0;  // hash of what both ends have to hold alike
  bool operator==(const Settlement&) const = default;
};

// What an end says first on a link that is up again.
struct SettlementMessage {
  Settlement edge;
  // Of the sender's model, with drift_key(): how far the two have drifted.
  compress::NormSketch model = {};
  bool operator==(const SettlementMessage&) const = default;
};

inline constexpr std::size_t kSettlementBytes = 72 + sizeof(compress::NormSketch);
SharedBytes encode(const SettlementMessage& message);
// Fails with ErrorCode::peer.
Result<SettlementMessage> decode_settlement(std::span<const std::byte> bytes);

// The same at both ends of a link.
std::uint64_t drift_key(NodeId a, NodeId b, Epoch epoch);

enum class Verdict {
  go_on,   // both ends counted the same
  replay,  // the other end lacks our last message: it gets that once more
  await,   // we lack theirs, and get it
  repeat,  // neither end has the other's message of the pending exchange: both send theirs again;
           // unless the graph has changed in between, and the terms are no longer the same
  reopen,  // the histories differ: the edge starts anew
};

// How this end goes on; with the arguments swapped, what the other end concludes.
Verdict verdict(const Settlement& ours, const Settlement& theirs);

// For people: what two ends found when they met again.
struct Reunion {
  std::string how;  // the edge goes on, as the end of a sentence: "goes on after 7 exchanges"
  // ‖x_i - x_j‖ of their models when each heard of the link, and relative to ‖x_i‖ here; both
  // estimates (compress/norm_sketch.h).
  double distance = 0, relative = 0;
};

Reunion reunion(const SettlementMessage& ours, const SettlementMessage& theirs);

}  // namespace starling::gossip
