// The heart: an algorithm is a state machine without I/O. Events go in, actions come out as plain
// data. The daemon (TCP, real time) and the simulator (virtual time) drive the same object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "gossip/settlement.h"
#include "protocol/archive.h"
#include "protocol/bytes.h"
#include "protocol/frame.h"
#include "protocol/ids.h"

namespace starling::gossip {

// ---- events ---------------------------------------------------------------------------------

// What was measured of a link: how many bytes a second get over it while it is busy.
struct LinkRate {
  NodeId peer;
  double bytes_per_second;
};
// Start the round: rounds come in ascending order, each after the RoundFinished of the one before,
// but numbers may be left out when a node catches up with its neighbors.
struct BeginRound {
  Round round;
  std::vector<LinkRate> rates = {};  // the newest, of links that were measured since the last one
};
// The link to a neighbor is up at both ends. When the two have settled where their edge stands it
// takes part, from the next round on.
struct PeerUp {
  NodeId peer;
  Epoch epoch;
};
struct PeerDown {
  NodeId peer;
};
// The answer to RunLocalStep: what the trainer would subtract from the model.
struct LocalStepDone {
  std::span<const float> update;  // stays as it is until RoundFinished
  double learning_rate = 1;       // that is in it
  // Where it lies, to be emptied by an algorithm that is done with it while memory is short. Null:
  // it stays.
  std::vector<float>* buffer = nullptr;
};
// What travels on an edge, as Send and Received have it.
struct Parcel {
  Epoch epoch = 0;
  FrameType type = FrameType::exchange;  // or opening, settlement, joining
  Round round = 0;
  std::uint32_t exchange = 0;
  std::uint64_t base = 0;  // EdgeLedger::chain() of the sender
  SharedBytes body = {};   // immutable; the driver may still write it when the next round starts

  // What two ends say to settle is the link's affair.
  bool is_of_exchange() const { return type == FrameType::exchange || type == FrameType::opening; }
};
struct Received {
  NodeId from;
  Parcel parcel;
};
struct TimerFired {
  std::uint64_t timer;
};
using Event = std::variant<BeginRound, PeerUp, PeerDown, LocalStepDone, Received, TimerFired>;

// ---- actions --------------------------------------------------------------------------------

// Reliable and ordered while the epoch lasts; a broken link is a PeerDown.
struct Send {
  NodeId to;
  Parcel parcel;
};
// Both ends of the edge know where it stands: it takes part in every round that begins from now on.
struct EdgeSettled {
  NodeId peer;
  std::optional<Reunion> reunion;  // unset in the first epoch: there was nothing to settle
};
// Run the local step on model(), which stays as it is until LocalStepDone comes back.
struct RunLocalStep {
  Round round;
};
// Send TimerFired{timer} back after that time. There is one timer: arming it again replaces it, so
// a driver may keep a single one. It is never cancelled; an outdated one is ignored when it fires.
struct ArmTimer {
  std::uint64_t timer;
  Duration after;
};
// Close this edge: the neighbor missed its deadline. It may come back in a later epoch.
struct LeaveOut {
  NodeId peer;
  std::string why;
};
// Close this edge: the neighbor sent what no correct node can send.
struct Reject {
  NodeId peer;
  std::string why;
};
// The model holds NaN or infinity: nothing more can come of it.
struct Diverged {
  std::string why;
};
struct RoundFinished {
  Round round;
};
using Action = std::variant<Send, EdgeSettled, RunLocalStep, ArmTimer, LeaveOut, Reject, Diverged,
                            RoundFinished>;
using Outbox = std::vector<Action>;

// What can be told of an edge.
struct EdgeStatus {
  NodeId peer;
  Epoch epoch = 0;  // of the newest link, up or not
  bool up = false;  // settled
  Settlement ledger = {};
  std::size_t queued_bytes = 0;  // received and not yet mixed
  bool in_use = false;           // up, and nothing is to be done to it before the next exchange
  // Exchanges that counted, that were made up for after a break, and times the edge began anew
  // because the ends knew different histories; since the start.
  std::uint64_t counted = 0, made_up = 0, reopened = 0;
  // Messages of exchanges that were kept out, because they are none or hold what is not finite, and
  // because their norm is beyond all measure (norm_gate.h); since the start.
  std::uint64_t malformed = 0, too_long = 0;
};

// How a link stands to its budget (compress/budget.h).
struct RateStatus {
  NodeId peer;
  double queue;                     // virtual, in rounds of the budget
  std::optional<double> mean_cost;  // a round so far, in budgets
};

// Engine thread only. Deterministic: the same construction and the same sequence of (event, now)
// give the same actions and the same model, bit for bit.
class Algorithm {
 public:
  virtual ~Algorithm() = default;

  // Appends to `out` what is to be done now, in order. By value: a body that came is let go of as
  // soon as it has been mixed, not when the caller is done with the event.
  virtual void handle(Event event, Time now, Outbox& out) = 0;

  // The flat parameter vector: where the next local step is taken, and what is evaluated.
  virtual std::span<const float> model() const = 0;

  // Begins with `model`, of a neighbor, in place of the start model; before the first event. What
  // this node knows and tells of itself begins there too, and edges open with all of it.
  virtual void begin_at(std::span<const float> model) = 0;

  // What an exchange that counts moves by exact opposites at its two ends, so that the sum over all
  // nodes moves by local steps alone (and by duals, where the method has them): the model, and
  // where the method hands shares on, the numerators and behind them the weight. A copy.
  virtual std::vector<double> conserved() const = 0;

  // Set where a local step is to solve the local problem instead, f its loss: to lead from model()
  // to argmin_y f(y) + <slope, y>. Valid as long as model() is.
  virtual std::optional<std::span<const float>> slope() { return std::nullopt; }

  // The largest body that any message of this algorithm can have.
  virtual std::size_t body_bytes_max() const = 0;

  // What one round costs an edge end when what is told goes over it as raw float32, the model or a
  // part of it; the yardstick of compression ratios.
  virtual std::size_t uncompressed_bytes() const = 0;

  // Everything that the next round depends on; only between RoundFinished and BeginRound. A loaded
  // algorithm is as it was when every link had just gone down. It may have other edges than the one
  // that saved: those that are new begin, those that it has not are dropped (Archive::roster).
  virtual void archive(Archive& archive) = 0;

  // Another object is to go on from the end of the round. The round ends when no exchange is under
  // way any more that the other end may count alone, or when its deadline is over.
  virtual void wind_up() {}
  // The state that was loaded was saved under another graph: nodes may have left with what they
  // had. Before anything else, on every node of the run.
  virtual void rewired() = 0;

  // How the edges are, ascending by neighbor.
  virtual std::vector<EdgeStatus> edges() const = 0;
  // Of what both ends of the edge hold alike after the same exchanges; takes a sweep over it.
  virtual std::uint64_t edge_hash(NodeId peer) const = 0;

  // The first round from which nodes get into this one without an exchange in between; most often
  // this one.
  virtual Round alone_from(Round round) const { return round; }

  // Neighbors whose message the current exchange still waits for, ascending; for people.
  virtual std::vector<NodeId> waiting_for() const = 0;

  // Of its links, ascending by neighbor, where messages follow a budget; for people.
  virtual std::vector<RateStatus> rates() const { return {}; }
};

}  // namespace starling::gossip
