// Asynchronous gossip: nodes that do not wait for each other.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "gossip/algorithm.h"
#include "gossip/arrivals.h"
#include "gossip/edges.h"
#include "gossip/method.h"

namespace starling::gossip {

struct AsyncOptions {
  // Whom a node asks for an exchange when a round begins.
  enum class Asks {
    everyone,  // all neighbors with which it has none under way
    one,       // one at random, when it has asked nobody else: AD-PSGD
  };
  Asks asks = Asks::everyone;
  // Own rounds that an exchange may be under way before the node waits for the neighbor.
  Round staleness = 4;
  // Of the run. In its last round a node waits for all that is under way.
  Round rounds = std::numeric_limits<Round>::max();
  std::uint64_t seed = 0;  // of the run
  NodeId self{};
};

// Drives a Method of one exchange a round without rounds that nodes go through together.
//
// Each edge counts its own exchanges: the k-th message of one end meets the k-th of the other,
// whenever that was made. A node sends when a round begins, takes its local step, and goes on; what
// has come is mixed between two steps. A neighbor's message to which this node has not sent its
// own is answered between two steps, and counts here at once.
//
// It waits at the end of a round: for neighbors that have owed an answer for more than `staleness`
// rounds, until their deadline as in Rounds, and in the last round for all, so that every exchange
// counts at both ends or neither. A node that waits answers at once. So who waits, waits for a
// neighbor that takes its step and not for one that waits itself, and no circle of nodes stands
// still, on any graph.
//
// Nodes do not count the same rounds. One that is more than `staleness` behind a neighbor, or whose
// neighbor is in the last round, leaves rounds out (node::Core), so that the flock ends together:
// what a node sends carries the round in which it expects its neighbors.
class AsyncGossip final : public Algorithm {
 public:
  // `edges` ascend by peer.
  AsyncGossip(std::unique_ptr<Method> method, const std::vector<EdgeEnd>& edges,
              AsyncOptions options);

  void handle(Event event, Time now, Outbox& out) override;
  std::span<const float> model() const override { return method_->model(); }
  void begin_at(std::span<const float> model) override { method_->begin_at(model); }
  std::vector<double> conserved() const override { return method_->conserved(); }
  std::size_t body_bytes_max() const override { return edges_.body_bytes_max(); }
  std::size_t uncompressed_bytes() const override { return method_->uncompressed_bytes(); }
  std::vector<NodeId> waiting_for() const override;
  std::vector<EdgeStatus> edges() const override { return edges_.status(); }
  std::uint64_t edge_hash(NodeId peer) const override { return edges_.hash(peer); }
  void archive(Archive& archive) override;
  void wind_up() override { winding_up_ = true; }
  void rewired() override { edges_.rewired(); }

 private:
  enum class Phase {
    idle,      // between RoundFinished and BeginRound
    stepping,  // waits for LocalStepDone
    waiting,   // the step is done, and a neighbor has owed an answer for too long
    diverged,  // the end: nothing that comes matters any more
  };

  // An exchange that is under way: our message is out, and the method has the edge suspended.
  struct Part {
    bool open = false;
    Round age = 0;  // local steps since
    Time sent{0};
  };

  void on(const BeginRound& event, Time now, Outbox& out);
  void on(const PeerUp& event, Time now, Outbox& out);
  void on(const PeerDown& event, Time now, Outbox& out);
  void on(const LocalStepDone& event, Time now, Outbox& out);
  void on(Received&& event, Time now, Outbox& out);
  void on(const TimerFired& event, Time now, Outbox& out);

  Result<void> admit(std::size_t index, Edges::Incoming message, Time now);
  void reject(std::size_t index, std::string why, Outbox& out);
  void take_down(std::size_t index);
  bool is_free(std::size_t index, Outbox& out);
  void take_in(Outbox& out);
  void mix_late(std::size_t index);
  void ask(Time now, Outbox& out);
  void answer(Time now, Outbox& out);
  void exchange(std::span<const std::size_t> edges, Time now, Outbox& out);
  Result<void> encode(std::span<const std::size_t> edges, std::span<Message> messages);
  void mix(std::span<const std::size_t> edges);
  bool is_last() const { return round_ + 1 >= options_.rounds; }
  Round round_of_flock() const;
  bool is_overdue(std::size_t index) const;
  std::vector<std::size_t> overdue() const;
  void conclude(Time now, Outbox& out);

  const std::unique_ptr<Method> method_;
  const AsyncOptions options_;
  Edges edges_;
  std::vector<Part> parts_;  // one an edge

  Phase phase_ = Phase::idle;
  Round round_ = 0;
  std::uint32_t encodes_ = 0;  // in this round
  bool winding_up_ = false;
  Patience patience_;
};

}  // namespace starling::gossip
