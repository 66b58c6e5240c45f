// One end's book of an edge: what counted, what may have counted at the other end, and how both go
// on after a break. Both ends, or neither: a difference that one end alone applied would stay in
// the models for ever (reliability specification §0.1: 1 % of such losses cost up to 67 % in loss).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "gossip/method.h"
#include "gossip/settlement.h"
#include "protocol/ids.h"

namespace starling::gossip {

// A message of this node, and what it was sent in.
struct SentMessage {
  Exchange exchange;
  std::uint64_t base = 0;
  Message message = {};
  // What went over the wire where there is a start; the message lies inside. Empty: not made yet.
  SharedBytes opening = {};
  EdgeTerms terms = {};
  // The neighbor's message of the exchange was kept out, and would have to be for ever. What is
  // saved then is an edge without a history.
  bool refused = false;
  void archive(Archive& archive, std::size_t body_bytes_max, std::size_t start_bytes_max);
};

// Engine thread. Keeps at most two message bodies: the last that counted, until the neighbor says
// that it counted there, and the one that is under way.
class EdgeLedger {
 public:
  explicit EdgeLedger(EdgeEnd end) : end_(end) {}

  void open(Epoch history);
  // As if the edge had never been: the other end hears of no history, and both begin anew.
  void forget();
  Epoch history() const { return now_.history; }
  // Exchanges since it began.
  std::uint64_t counted() const { return now_.count; }
  // The base of the next message: it applies only where the other end's is the same.
  std::uint64_t chain() const { return now_.chain; }

  void sent(Exchange exchange, Message message, SharedBytes opening = {});
  // Our message that is under way; null: none.
  const SentMessage* pending() const { return pending_ ? &*pending_ : nullptr; }
  // The pending exchange counts at neither end.
  void drop() { pending_.reset(); }
  // What the neighbor has sent for this exchange will not be let in. Where it is the pending one
  // the neighbor may have counted it, and would send the same once more: from the next link on the
  // edge begins anew at both ends.
  void refuse(Exchange exchange) {
    if (pending_ && pending_->exchange == exchange) pending_->refused = true;
  }
  // The pending exchange counts, with this message of the neighbor.
  void count(const Message& theirs);
  // What chain() would then be.
  std::uint64_t chain_with(const Message& theirs) const;
  // Our last message that counted, as long as the other end may need it.
  const SentMessage* last() const { return last_ ? &*last_ : nullptr; }
  // The neighbor has sent a message on top of `base`.
  void acknowledge(std::uint64_t base);

  // `state`: of Method::edge_hash().
  Settlement settlement(std::uint64_t state) const;

  // Bodies have at most so many bytes.
  void archive(Archive& archive, std::size_t body_bytes_max, std::size_t start_bytes_max);

 private:
  EdgeEnd end_;
  Settlement now_;  // history, count, chain, before, last; the others are made in settlement()
  std::optional<SentMessage> last_, pending_;
};

}  // namespace starling::gossip
