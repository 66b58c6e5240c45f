// What the drivers of a Method share: the edges of a node as their links come and go.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "gossip/algorithm.h"
#include "gossip/ledger.h"
#include "gossip/method.h"
#include "gossip/norm_gate.h"

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
  // correct neighbor can have sent it now, or where its norm is beyond all measure (norm_gate.h);
  // nothing of it has been applied then, and nothing ever will: see EdgeLedger::refuse.
  Result<std::optional<Incoming>> receive(std::size_t edge, Parcel parcel, Outbox& out);
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
  // One message each, of `exchange` by_round and of the current one of each edge by_edge. Those
  // that bring the same start share its bytes.
  void send(std::span<const std::size_t> edges, Exchange exchange, std::vector<Message> messages,
            Outbox& out);
  // The exchange under way counts, with the first message of the inbox, which is to be mixed next.
  Arrival count(std::size_t edge);
  // It counts at neither end.
  void drop(std::size_t edge) { edges_[edge].ledger.drop(); }
  // Before a mix: where memory is short, edges that are down are let go of and begin anew
  // when they are back.
  void relieve();
  // What an end says that takes part from `round` on.
  Parcel joining(std::size_t edge, Round round) const {
    return {.epoch = *edges_[edge].epoch, .type = FrameType::joining, .round = round};
  }
  bool is_under_way(std::size_t edge) const { return edges_[edge].ledger.pending() != nullptr; }

  // ---- of the whole

  std::size_t body_bytes_max() const;
  std::vector<EdgeStatus> status() const;
  std::uint64_t hash(NodeId peer) const;
  // The method, and the edges. Loading: every edge that took part is suspended. Edges are told
  // apart by their neighbors; one that the state does not know is as it was made, and one that this
  // node has no more is dropped.
  void archive(Archive& archive);
  // As Method::rewired(); while no link is up.
  void rewired();

 private:
  // Where an edge whose link is up stands.
  enum class Standing {
    unsettled,  // what the neighbor's ledger says is not here yet
    awaiting,   // the neighbor's message of our pending exchange is to come once more
    settled,    // takes part
    leaving,    // the link is being closed: nothing that still comes on it counts
  };

  // What is to be done with a settled edge before it takes part in an exchange.
  enum class Todo { nothing, open, resume };

  struct Edge {
    Edge(EdgeEnd end) : self(end.self), peer(end.peer), ledger(end) {}

    NodeId self, peer;
    std::optional<Epoch> epoch = std::nullopt;  // set while the link is up
    Epoch last_epoch = 0;
    Standing standing = Standing::unsettled;
    Todo todo = Todo::nothing;
    // The neighbor's chain where it has counted our pending exchange and this end has not.
    std::optional<std::uint64_t> awaited = std::nullopt;
    std::optional<Message> made_up = std::nullopt;  // the neighbor's, of our pending exchange
    std::deque<Incoming> inbox = {};
    std::optional<compress::NormSketch> drift = std::nullopt;  // of our settlement, unsettled
    std::optional<Reunion> reunion = std::nullopt;             // until it is settled
    EdgeLedger ledger;
    bool forgotten = false;                                    // since it took part
    std::uint64_t counted = 0, made_up_for = 0, reopened = 0;  // see EdgeStatus
    std::uint64_t malformed = 0, too_long = 0;                 // likewise
    NormGate gate = {};

    // Takes part as far as its link and its method are concerned.
    bool in_use() const {
      return epoch && standing == Standing::settled && todo == Todo::nothing &&
             ledger.history() > 0;
    }
  };

  Exchange exchange_of(const Edge& edge, const Parcel& parcel) const;
  Arrival arrival_of(std::size_t edge, Message&& theirs);
  std::string label(Exchange exchange) const;
  Result<Incoming> unpack(std::size_t index, Parcel& parcel);
  Result<void> let_in(std::size_t index, Exchange exchange, const Result<Message>& message);
  Parcel parcel_of(const Edge& edge, const SentMessage& record) const;
  Result<void> take_again(Edge& edge, Incoming message, Outbox& out);
  void settle(Edge& edge, const SettlementMessage& theirs, Outbox& out);
  void forget(Edge& edge);
  void settled(Edge& edge, Outbox& out);

  Method& method_;
  const Numbering numbering_;
  std::vector<Edge> edges_;
  Round round_ = 0;  // by_edge
};

}  // namespace starling::gossip
