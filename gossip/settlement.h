// What the two ends of an edge say to each other after a break, and what they conclude from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "gossip/exchange.h"
#include "protocol/bytes.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::gossip {

// What an end says first on a link that is up again, and what the other one needs to know.
struct Settlement {
  Epoch history = 0;         // the epoch in which the state of the edge began; 0: there is none
  std::uint64_t count = 0;   // exchanges counted since
  std::uint64_t chain = 0;   // hash of all their messages
  std::uint64_t before = 0;  // the chain without the last one
  std::optional<Exchange> last = std::nullopt;     // counted
  std::optional<Exchange> pending = std::nullopt;  // sent, and not counted here
  // Our message of the last exchange is still here. It is let go of when the neighbor has counted
  // it; one that comes back with an older checkpoint may lack it again.
  bool last_kept = false;
  std::uint64_t state = 0;  // hash of what both ends have to hold alike
  bool operator==(const Settlement&) const = default;
};

inline constexpr std::size_t kSettlementBytes = 64;
SharedBytes encode(const Settlement& settlement);
// Fails with ErrorCode::peer.
Result<Settlement> decode_settlement(std::span<const std::byte> bytes);

enum class Verdict {
  go_on,   // both ends counted the same
  replay,  // the other end lacks our last message: it gets that once more
  await,   // we lack theirs, and get it
  repeat,  // neither end has the other's message of the pending exchange: both send theirs again
  reopen,  // the histories differ: the edge starts anew
};

// How this end goes on; with the arguments swapped, what the other end concludes.
Verdict verdict(const Settlement& ours, const Settlement& theirs);

}  // namespace starling::gossip
