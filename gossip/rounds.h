// Rounds: the part that all round-synchronous gossip algorithms share.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "gossip/algorithm.h"
#include "gossip/arrivals.h"
#include "gossip/ledger.h"
#include "gossip/method.h"

namespace starling::gossip {

// Drives a Method through rounds of local step and exchanges over the edges that are up.
//
// An exchange counts on an edge when both ends have both messages, or on neither. Messages carry
// (round, exchange), so a neighbor that has gone past an exchange says by its next message that it
// left this edge out of it; this node does the same. A neighbor that is down, or later than its
// deadline, is left out and its weight stays with this node: mixing is written in delta form, so
// nothing is renormalised. An edge that comes up joins at the next round. Early messages wait in a
// bounded inbox; they are mixed in neighbor order, never in order of arrival.
//
// A link may break when one end alone has both messages. Each end keeps a ledger (ledger.h); on the
// next link they settle first, and the end that lacks the exchange gets its message once more and
// makes up for it before its next round. The method never sees a gap.
class Rounds final : public Algorithm {
 public:
  // `edges` ascend by peer. overlap: exchanges run on the model before its local step, whose
  // messages are under way while the step is computed (combine while adapt).
  Rounds(std::unique_ptr<Method> method, const std::vector<EdgeEnd>& edges, bool overlap);

  void handle(const Event& event, Time now, Outbox& out) override;
  std::span<const float> model() const override { return method_->model(); }
  std::optional<std::span<const float>> slope() override { return method_->slope(); }
  std::size_t body_bytes_max() const override;
  std::vector<NodeId> waiting_for() const override;
  std::vector<EdgeStatus> edges() const override;
  std::uint64_t edge_hash(NodeId peer) const override;
  void archive(Archive& archive) override;

 private:
  enum class Phase {
    idle,        // between RoundFinished and BeginRound
    stepping,    // waits for LocalStepDone
    exchanging,  // waits for the neighbors' messages of exchange_
    diverged,    // the end: nothing that comes matters any more
  };

  // Where an edge whose link is up stands.
  enum class Standing {
    unsettled,  // what the neighbor's ledger says is not here yet
    awaiting,   // the neighbor's message of our pending exchange is to come once more
    settled,    // takes part
  };

  // What is to be done with a settled edge before it takes part in a round.
  enum class Todo { nothing, open, resume };

  struct Incoming {
    Exchange exchange;
    std::uint64_t base;
    Message message;
  };

  struct Edge {
    Edge(EdgeEnd end) : peer(end.peer), ledger(end) {}

    NodeId peer;
    std::optional<Epoch> epoch = std::nullopt;  // set while the link is up
    Epoch last_epoch = 0;
    Standing standing = Standing::unsettled;
    Todo todo = Todo::nothing;
    std::optional<Message> made_up = std::nullopt;  // the neighbor's, of our pending exchange
    Round from = 0;                                 // the neighbor's first round on this link
    bool active = false;                            // takes part in the current exchange
    std::deque<Incoming> inbox = {};  // ascending exchanges, none older than the current one
    EdgeLedger ledger;
    ArrivalEstimate arrivals = {};
    std::uint64_t counted = 0, made_up_for = 0, reopened = 0;  // see EdgeStatus

    // Takes part in rounds as far as its link and its method are concerned.
    bool in_use() const {
      return epoch && standing == Standing::settled && todo == Todo::nothing &&
             ledger.history() > 0;
    }
  };

  void on(const BeginRound& event, Time now, Outbox& out);
  void on(const PeerUp& event, Time now, Outbox& out);
  void on(const PeerDown& event, Time now, Outbox& out);
  void on(const LocalStepDone& event, Time now, Outbox& out);
  void on(const Received& event, Time now, Outbox& out);
  void on(const TimerFired& event, Time now, Outbox& out);

  std::size_t index_of_peer(NodeId peer) const;
  Result<Incoming> unpack(const Parcel& parcel) const;
  Result<Message> open_up(const SharedBytes& body) const;
  Result<void> admit(Edge& edge, const Parcel& parcel, Time now, Outbox& out);
  Result<void> admit_exchange(Edge& edge, Incoming message, Time now);
  void settle(Edge& edge, const Settlement& theirs, Outbox& out);
  void settled(Edge& edge, std::string how, Outbox& out);
  void take_joining(Edge& edge, Round round);
  void bring_in(std::size_t index);
  void reject(std::size_t index, std::string why, Outbox& out);
  void take_down(std::size_t index);
  void suspend(std::size_t index);
  Parcel parcel_of(const Edge& edge, const SentMessage& record) const;
  bool has_current(const Edge& edge) const;
  bool is_missing(const Edge& edge) const { return edge.active && !has_current(edge); }
  void drop_outdated(Edge& edge);
  void send_exchange(Outbox& out);
  void start_waiting(Time now, Outbox& out);
  void arm_deadline(Time now, Outbox& out);
  void advance(Time now, Outbox& out);
  void leave_out_if_refused(std::size_t index, Outbox& out);
  void mix_exchange();
  void finish_round(Outbox& out);

  const std::unique_ptr<Method> method_;
  const bool overlap_;
  std::vector<Edge> edges_;

  Phase phase_ = Phase::idle;
  Exchange current_;
  std::vector<float> update_;  // overlap: kept until the exchanges are done
  double learning_rate_ = 0;   // likewise
  Time waiting_since_{0};
  std::uint64_t timer_ = 0;  // the newest; older ones are ignored
};

}  // namespace starling::gossip
