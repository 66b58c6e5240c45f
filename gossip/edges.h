// What the drivers of a Method share: the edges of a node as their links come and go.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "gossip/algorithm.h"
#include "gossip/ledger.h"
#include "gossip/method.h"

namespace starling::gossip {

// How the two ends of an edge name an exchange.
enum class Numbering {
  by_round,  // (round, index in the round); both are on the wire
  by_edge,   // {k, 0}: k exchanges of the edge counted before it; not on the wire
};

// Epochs, settlements, replays and what is in the frames; a driver says which exchange comes next
// on which edge and when it is complete. The method's open_edge and resume_edge are called here;
// suspend_edge is for the driver, which knows what of an exchange is still to come.
//
// A link may break when one end alone has both messages of an exchange. Each end keeps a ledger
// (ledger.h); on the next link they settle first, and the end that lacks the exchange gets its
// message once more and makes up for it before the next one. The method never sees a gap.
class Edges {
 public:
  // A message of the neighbor that was not mixed yet.
  struct Incoming {
    Exchange exchange;
    std::uint64_t base;
    Message message;
  };

  // `ends` ascend by peer. The method has to outlive this.
  Edges(Method& method, const std::vector<EdgeEnd>& ends, Numbering numbering);

  std::size_t size() const { return edges_.size(); }
  NodeId peer(std::size_t edge) const { return edges_[edge].peer; }
  std::vector<NodeId> peers(std::span<const std::size_t> edges) const;
  std::size_t index_of(NodeId peer) const;

  // ---- links

  bool is_up(std::size_t edge) const { return edges_[edge].epoch.has_value(); }
  bool is_of(std::size_t edge, Epoch epoch) const { return edges_[edge].epoch == epoch; }
  // Up, and both ends know where the edge stands.
  bool is_settled(std::size_t edge) const {
    return is_up(edge) && edges_[edge].standing == Standing::settled;
  }
  // The link is up, after one that was before it was taken down. In the first epoch there is
  // nothing to settle.
  void link_up(std::size_t edge, Epoch epoch, Outbox& out);
  // Returns whether the edge took part in exchanges until now.
  bool link_down(std::size_t edge);

  // ---- what the neighbor sends

  // Of the edge's own link. Returns the message of an exchange, if it is one. Fails where no
  // correct neighbor can have sent it now.
  Result<std::optional<Incoming>> receive(std::size_t edge, const Parcel& parcel, Outbox& out);
  // Early messages, in the order in which they came.
  std::deque<Incoming>& inbox(std::size_t edge) { return edges_[edge].inbox; }
  const std::deque<Incoming>& inbox(std::size_t edge) const { return edges_[edge].inbox; }
  // Why the first message of the inbox does not apply to what this end holds, if so.
  std::optional<std::string> mismatch(std::size_t edge) const;

  // ---- exchanges

  // by_edge: what is sent from now on carries this round.
  void begin(Round round) { round_ = round; }
  // by_edge: the exchange under way, or else the next one.
  Exchange current(std::size_t edge) const { return {edges_[edge].ledger.counted(), 0}; }
  // Before the first exchange after the edge was settled; between two steps.
  void bring_in(std::size_t edge);
  void send(std::size_t edge, Exchange exchange, Message message, Outbox& out);
  // The exchange under way counts, with the first message of the inbox.
  Arrival count(std::size_t edge);
  // It counts at neither end.
  void drop(std::size_t edge) { edges_[edge].ledger.drop(); }
  // What an end says that takes part from `round` on.
  Parcel joining(std::size_t edge, Round round) const {
    return {.epoch = *edges_[edge].epoch, .type = FrameType::joining, .round = round};
  }
  bool is_under_way(std::size_t edge) const { return edges_[edge].ledger.pending() != nullptr; }

  // ---- of the whole

  std::size_t body_bytes_max() const;
  std::vector<EdgeStatus> status() const;
  std::uint64_t hash(NodeId peer) const;
  // The method, and the edges. Loading: every edge that took part is suspended.
  void archive(Archive& archive);

 private:
  // Where an edge whose link is up stands.
  enum class Standing {
    unsettled,  // what the neighbor's ledger says is not here yet
    awaiting,   // the neighbor's message of our pending exchange is to come once more
    settled,    // takes part
  };

  // What is to be done with a settled edge before it takes part in an exchange.
  enum class Todo { nothing, open, resume };

  struct Edge {
    Edge(EdgeEnd end) : peer(end.peer), ledger(end) {}

    NodeId peer;
    std::optional<Epoch> epoch = std::nullopt;  // set while the link is up
    Epoch last_epoch = 0;
    Standing standing = Standing::unsettled;
    Todo todo = Todo::nothing;
    std::optional<Message> made_up = std::nullopt;  // the neighbor's, of our pending exchange
    std::deque<Incoming> inbox = {};
    EdgeLedger ledger;
    std::uint64_t counted = 0, made_up_for = 0, reopened = 0;  // see EdgeStatus

    // Takes part as far as its link and its method are concerned.
    bool in_use() const {
      return epoch && standing == Standing::settled && todo == Todo::nothing &&
             ledger.history() > 0;
    }
  };

  Exchange exchange_of(const Edge& edge, const Parcel& parcel) const;
  std::string label(Exchange exchange) const;
  Result<Incoming> unpack(const Edge& edge, const Parcel& parcel) const;
  Result<Message> open_up(const SharedBytes& body) const;
  Parcel parcel_of(const Edge& edge, const SentMessage& record) const;
  Result<void> take_again(Edge& edge, Incoming message, Outbox& out);
  void settle(Edge& edge, const Settlement& theirs, Outbox& out);
  void settled(Edge& edge, std::string how, Outbox& out);

  Method& method_;
  const Numbering numbering_;
  std::vector<Edge> edges_;
  Round round_ = 0;  // by_edge
};

}  // namespace starling::gossip
