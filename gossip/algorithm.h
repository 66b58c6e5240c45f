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

#include "protocol/bytes.h"
#include "protocol/ids.h"

namespace starling::gossip {

// ---- events ---------------------------------------------------------------------------------

// Start the round: rounds come in ascending order, each after the RoundFinished of the one before,
// but numbers may be left out when a node catches up with its neighbors.
struct BeginRound {
  Round round;
};
// The edge to a neighbor is up at both ends; it takes part from the next round on.
struct PeerUp {
  NodeId peer;
  Epoch epoch;
};
struct PeerDown {
  NodeId peer;
};
// The answer to RunLocalStep: what the trainer would subtract from the model.
struct LocalStepDone {
  std::span<const float> update;  // valid during the call
  double learning_rate = 1;       // that is in it
};
struct Received {
  NodeId from;
  Epoch epoch;
  Round round;
  std::uint32_t exchange;
  SharedBytes body;
};
struct TimerFired {
  std::uint64_t timer;
};
using Event = std::variant<BeginRound, PeerUp, PeerDown, LocalStepDone, Received, TimerFired>;

// ---- actions --------------------------------------------------------------------------------

// Reliable and ordered while the epoch lasts; a broken link is a PeerDown.
struct Send {
  NodeId to;
  Epoch epoch;
  Round round;
  std::uint32_t exchange;
  SharedBytes body;  // immutable; the driver may still be writing it when the next round starts
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
using Action =
    std::variant<Send, RunLocalStep, ArmTimer, LeaveOut, Reject, Diverged, RoundFinished>;
using Outbox = std::vector<Action>;

// Engine thread only. Deterministic: the same construction and the same sequence of (event, now)
// give the same actions and the same model, bit for bit.
class Algorithm {
 public:
  virtual ~Algorithm() = default;

  // Appends to `out` what is to be done now, in order.
  virtual void handle(const Event& event, Time now, Outbox& out) = 0;

  // The flat parameter vector: where the next local step is taken, and what is evaluated.
  virtual std::span<const float> model() const = 0;

  // Set where a local step is to solve the local problem instead, f its loss: to lead from model()
  // to argmin_y f(y) + <slope, y>. Valid as long as model() is.
  virtual std::optional<std::span<const float>> slope() { return std::nullopt; }

  // The largest body that any message of this algorithm can have.
  virtual std::size_t body_bytes_max() const = 0;

  // What one round costs an edge end when the model goes over it as raw float32; the yardstick of
  // compression ratios.
  std::size_t uncompressed_bytes() const { return model().size_bytes(); }

  // Neighbors whose message the current exchange still waits for, ascending; for people.
  virtual std::vector<NodeId> waiting_for() const = 0;
};

}  // namespace starling::gossip
