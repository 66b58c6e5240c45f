// The other end of an edge, scripted: it keeps the ledger that a correct neighbor would keep.
#pragma once

#include <map>
#include <variant>

#include "gossip/algorithm.h"
#include "gossip/edges.h"
#include "gossip/ledger.h"

namespace starling::test {

class FarEnd {
 public:
  explicit FarEnd(NodeId self, NodeId near,
                  gossip::Numbering numbering = gossip::Numbering::by_round)
      : self_(self), numbering_(numbering), ledger_({self, near, 0}) {}

  void up(Epoch epoch) {
    epoch_ = epoch;
    heard_.clear();
    if (epoch == 1) ledger_.open(1);
  }
  // What it says first in a later epoch.
  gossip::Received settlement() const {
    return {self_,
            {.epoch = epoch_,
             .type = FrameType::settlement,
             .body = gossip::encode(gossip::SettlementMessage{ledger_.settlement(0)})}};
  }
  // Everything that the near end sends.
  void hear(const gossip::Parcel& parcel) {
    if (parcel.type == FrameType::settlement) {
      const gossip::Settlement theirs = gossip::decode_settlement(parcel.body.bytes())->edge;
      const gossip::Verdict how = verdict(ledger_.settlement(0), theirs);
      if (how == gossip::Verdict::reopen) ledger_.open(epoch_);
      if (how == gossip::Verdict::go_on || how == gossip::Verdict::replay) ledger_.drop();
      return;
    }
    gossip::Exchange exchange{parcel.round, parcel.exchange};
    if (numbering_ == gossip::Numbering::by_edge) {
      exchange = {ledger_.counted() + heard_.count({ledger_.counted(), 0}), 0};
    }
    heard_[exchange] = {parcel.body};
  }
  // Its message of an exchange, after it has counted what it could.
  gossip::Received say(gossip::Exchange exchange, SharedBytes body) {
    settle_pending();
    const std::uint64_t base = ledger_.chain();
    ledger_.sent(exchange, {body});
    return {self_,
            {.epoch = epoch_,
             .round = exchange.round,
             .exchange = exchange.index,
             .base = base,
             .body = std::move(body)}};
  }
  // Counts the exchange under way where it has heard the near end's message, else drops it.
  void settle_pending() {
    if (!ledger_.pending()) return;
    const auto theirs = heard_.find(ledger_.pending()->exchange);
    theirs == heard_.end() ? ledger_.drop() : ledger_.count(theirs->second);
  }

  gossip::EdgeLedger& ledger() { return ledger_; }

 private:
  NodeId self_;
  gossip::Numbering numbering_;
  gossip::EdgeLedger ledger_;
  Epoch epoch_ = 0;
  std::map<gossip::Exchange, gossip::Message> heard_;
};

// A message of one number.
inline SharedBytes body_of(float value) {
  ByteBlock block(sizeof value);
  block.floats()[0] = value;
  return block;
}

// Node 1 of the path 0-1-2 is the one under test; these are the other two, who see its links and
// hear what it sends.
inline constexpr NodeId kLeft = node_id(0), kSelf = node_id(1), kRight = node_id(2);

class BothNeighbors {
 public:
  explicit BothNeighbors(gossip::Numbering numbering = gossip::Numbering::by_round)
      : left_(kLeft, kSelf, numbering), right_(kRight, kSelf, numbering) {}

  FarEnd& at(NodeId id) { return id == kLeft ? left_ : right_; }

  // What the node does about `event`, which `handle` lets it append to its argument.
  template <class PeerUp, class Out, class Event, class Handle>
  Out give(const Event& event, const Handle& handle) {
    if (const auto* up = std::get_if<PeerUp>(&event)) at(up->peer).up(up->epoch);
    Out out;
    handle(out);
    for (const auto& action : out) {
      if (const auto* send = std::get_if<gossip::Send>(&action)) at(send->to).hear(send->parcel);
    }
    return out;
  }

 private:
  FarEnd left_, right_;
};

}  // namespace starling::test
