// Rounds: the part that all round-synchronous gossip algorithms share.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "gossip/algorithm.h"
#include "gossip/arrivals.h"
#include "gossip/edges.h"
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
class Rounds final : public Algorithm {
 public:
  // `edges` ascend by peer. overlap: exchanges run on the model before its local step, whose
  // messages are under way while the step is computed (combine while adapt).
  Rounds(std::unique_ptr<Method> method, const std::vector<EdgeEnd>& edges, bool overlap);

  void handle(Event event, Time now, Outbox& out) override;
  std::span<const float> model() const override { return method_->model(); }
  void begin_at(std::span<const float> model) override { method_->begin_at(model); }
  std::vector<double> conserved() const override { return method_->conserved(); }
  std::optional<std::span<const float>> slope() override { return method_->slope(); }
  std::size_t body_bytes_max() const override { return edges_.body_bytes_max(); }
  std::size_t uncompressed_bytes() const override { return method_->uncompressed_bytes(); }
  Round alone_from(Round round) const override;
  std::vector<NodeId> waiting_for() const override;
  std::vector<EdgeStatus> edges() const override { return edges_.status(); }
  std::uint64_t edge_hash(NodeId peer) const override { return edges_.hash(peer); }
  void archive(Archive& archive) override;
  void rewired() override { edges_.rewired(); }

 private:
  enum class Phase {
    idle,        // between RoundFinished and BeginRound
    stepping,    // waits for LocalStepDone
    exchanging,  // waits for the neighbors' messages of exchange_
    diverged,    // the end: nothing that comes matters any more
  };

  // What rounds need to know of an edge.
  struct Part {
    bool active = false;  // takes part in the current exchange
    Round from = 0;       // the neighbor's first round on this link
  };

  void on(const BeginRound& event, Time now, Outbox& out);
  void on(const PeerUp& event, Time now, Outbox& out);
  void on(const PeerDown& event, Time now, Outbox& out);
  void on(const LocalStepDone& event, Time now, Outbox& out);
  void on(Received&& event, Time now, Outbox& out);
  void on(const TimerFired& event, Time now, Outbox& out);

  void join_if_settled(std::size_t index, bool before, Outbox& out);
  void take_joining(std::size_t index, Round round);
  Result<void> admit(std::size_t index, Edges::Incoming message, Time now);
  void reject(std::size_t index, std::string why, Outbox& out);
  void take_down(std::size_t index);
  void suspend(std::size_t index) { method_->suspend_edge(index, edges_.is_under_way(index)); }
  bool has_current(std::size_t index) const;
  bool is_missing(std::size_t index) const { return parts_[index].active && !has_current(index); }
  std::vector<std::size_t> missing() const;
  void drop_outdated(std::size_t index);
  void send_exchange(Outbox& out);
  void start_waiting(Time now, Outbox& out);
  void advance(Time now, Outbox& out);
  void leave_out_if_refused(std::size_t index, Outbox& out);
  void mix_exchange();
  void finish_round(Outbox& out);

  const std::unique_ptr<Method> method_;
  const bool overlap_;
  Edges edges_;
  std::vector<Part> parts_;  // one an edge

  Phase phase_ = Phase::idle;
  Exchange current_;
  LocalStep step_{};  // overlap: taken when the exchanges are done
  Patience patience_;
};

}  // namespace starling::gossip
