// One end's book of an edge: what counted, what may have counted at the other end, and how both go
// on after a break. Both ends, or neither: a difference that one end alone applied would stay in
// the models for ever (reliability specification §0.1: 1 % of such losses cost up to 67 % in loss).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "gossip/method.h"
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
  std::uint64_t state = 0;                         // hash of what both ends have to hold alike
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
  reopen,  // the histories differ: the edge starts anew
};

// How this end goes on; with the arguments swapped, what the other end concludes.
Verdict verdict(const Settlement& ours, const Settlement& theirs);

// Engine thread. Keeps at most two message bodies: the last that counted, until the neighbor says
// that it counted there, and the one that is under way.
class EdgeLedger {
 public:
  explicit EdgeLedger(EdgeEnd end) : end_(end) {}

  void open(Epoch history);
  Epoch history() const { return now_.history; }
  // The base of the next message: it applies only where the other end's is the same.
  std::uint64_t chain() const { return now_.chain; }

  struct Record {
    Exchange exchange;
    std::uint64_t base = 0;
    Message message = {};  // ours
  };

  void sent(Exchange exchange, Message message);
  // Our message that is under way; null: none.
  const Record* pending() const { return pending_ ? &*pending_ : nullptr; }
  // The pending exchange counts at neither end.
  void drop() { pending_.reset(); }
  // The pending exchange counts, with this message of the neighbor.
  void count(const Message& theirs);
  // Our last message that counted, as long as the other end may need it.
  const Record* last() const { return last_ ? &*last_ : nullptr; }
  // The neighbor has sent a message on top of `base`.
  void acknowledge(std::uint64_t base);

  // `state`: of Method::edge_hash().
  Settlement settlement(std::uint64_t state) const;

 private:
  EdgeEnd end_;
  Settlement now_;  // history, count, chain, before, last; the others are made in settlement()
  std::optional<Record> last_, pending_;
};

}  // namespace starling::gossip
