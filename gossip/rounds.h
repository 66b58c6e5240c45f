// Rounds: the part that all round-synchronous gossip algorithms share.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "gossip/algorithm.h"
#include "gossip/arrivals.h"
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
// What one end applied when a link broke in the middle of an exchange may be missing at the other
// end; settling that is the edge ledger's part, for which headers carry epoch and sequence.
class Rounds final : public Algorithm {
 public:
  // `edges` ascend by peer. overlap: exchanges run on the model before its local step, whose
  // messages are under way while the step is computed (combine while adapt).
  Rounds(std::unique_ptr<Method> method, const std::vector<EdgeEnd>& edges, bool overlap);

  void handle(const Event& event, Time now, Outbox& out) override;
  std::span<const float> model() const override { return method_->model(); }
  std::optional<std::span<const float>> slope() override { return method_->slope(); }
  std::size_t body_bytes_max() const override { return method_->body_bytes_max(); }
  std::vector<NodeId> waiting_for() const override;

 private:
  enum class Phase {
    idle,        // between RoundFinished and BeginRound
    stepping,    // waits for LocalStepDone
    exchanging,  // waits for the neighbors' messages of exchange_
    diverged,    // the end: nothing that comes matters any more
  };

  struct Edge {
    NodeId peer;
    std::optional<Epoch> epoch;  // set while the edge is up
    bool active = false;         // takes part in the current exchange
    std::deque<Received> inbox;  // ascending (round, exchange), none older than the current one
    ArrivalEstimate arrivals;
  };

  void on(const BeginRound& event, Time now, Outbox& out);
  void on(const PeerUp& event, Time now, Outbox& out);
  void on(const PeerDown& event, Time now, Outbox& out);
  void on(const LocalStepDone& event, Time now, Outbox& out);
  void on(const Received& event, Time now, Outbox& out);
  void on(const TimerFired& event, Time now, Outbox& out);

  std::size_t index_of_peer(NodeId peer) const;
  std::optional<std::string> objection(const Edge& edge, const Received& message) const;
  void take_down(std::size_t index);
  bool has_current(const Edge& edge) const;
  bool is_missing(const Edge& edge) const { return edge.active && !has_current(edge); }
  void drop_outdated(Edge& edge);
  void send_exchange(Outbox& out);
  void start_waiting(Time now, Outbox& out);
  void arm_deadline(Time now, Outbox& out);
  void advance(Time now, Outbox& out);
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
