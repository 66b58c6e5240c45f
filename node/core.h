// One node of a run without sockets, clock or threads: what both drivers drive.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gossip/algorithm.h"
#include "protocol/ids.h"
#include "train/trainer.h"

namespace starling::node {

// When a node that trains is to be saved. It is also when somebody asks for it, and the driver does
// it once more when the node ends.
struct CheckpointPlan {
  Round every = 0;          // rounds; 0: not by rounds
  Duration every_while{0};  // at the next end of a round; 0: not by time
};

struct CoreOptions {
  Round rounds = 0;
  Round evaluate_every = 0;  // 0: only at the end
  std::vector<NodeId> partners = {};
  // A node that starts waits this long for its neighbors, then trains with those that are there.
  Duration start_wait = std::chrono::seconds{30};
  CheckpointPlan checkpoints = {};  // none: there will be no SaveCheckpoint unless asked for
};

// ---- events ---------------------------------------------------------------------------------

struct Start {};
struct PeerUp {
  NodeId peer;
  Epoch epoch;
  Round round;  // where the neighbor is
};
using gossip::PeerDown;
using gossip::Received;
using gossip::TimerFired;
struct StepComputed {  // the answer to RunLocalStep, after compute_step()
  Duration took;
};
struct Evaluated {  // the answer to RunEvaluation, after evaluate()
  Duration took;
};
struct CheckpointSaved {  // the answer to SaveCheckpoint
  Duration took;
  bool saved;  // otherwise training goes on all the same, and the next one is due when it is due
};
struct CheckpointRequested {};  // at the end of the round
struct StopRequested {          // be done without another evaluation
  bool at_once;                 // even in the middle of a round; otherwise when it is finished
};
using CoreEvent = std::variant<Start, PeerUp, PeerDown, Received, TimerFired, StepComputed,
                               Evaluated, CheckpointSaved, CheckpointRequested, StopRequested>;

// ---- effects --------------------------------------------------------------------------------

using gossip::ArmTimer;
using gossip::EdgeSettled;
using gossip::LeaveOut;
using gossip::Reject;
using gossip::RunLocalStep;
using gossip::Send;
struct RunEvaluation {};
// Let archive() write; the next round begins when CheckpointSaved comes back.
struct SaveCheckpoint {};
// A round is over: time for a line in the log. Counters and evaluation are in Core::progress().
struct RoundDone {
  Round round;
  bool evaluated;
  std::uint64_t sent_bytes;  // until then; the counter goes on with the next round
};
// Nothing more will come. `failure` is a sentence when training diverged.
struct Finished {
  std::optional<std::string> failure;
};
using Effect = std::variant<Send, EdgeSettled, RunLocalStep, ArmTimer, LeaveOut, Reject,
                            RunEvaluation, SaveCheckpoint, RoundDone, Finished>;
using Effects = std::vector<Effect>;

enum class Phase { waiting, training, finished };
const char* name_of(Phase phase);

// What can be told of a node at any time; the whole of it is a copy.
struct Progress {
  Phase phase = Phase::waiting;
  Round rounds_done = 0;                        // the number of the next round
  Round rounds_saved = 0;                       // of the newest checkpoint; 0: none
  double step_loss = 0;                         // of the newest local step
  std::optional<train::Evaluation> evaluation;  // the newest one
  Round evaluated_rounds = 0;                   // rounds done when it was made
  double evaluated_at_seconds = 0;              // training seconds then
  std::vector<NodeId> waiting_for;
  // Exchange messages with their frame headers; heartbeats and handshakes are the links' affair.
  std::uint64_t sent_bytes = 0, received_bytes = 0;
  // What the same rounds would have cost as raw float32: the whole model once a round and edge.
  std::uint64_t sent_uncompressed_bytes = 0;
  Duration compute{0}, encode{0}, evaluate{0}, checkpoint{0};
  Duration elapsed{0};     // since the first round began, without the time between two processes
  Duration wait() const;   // neither computing, coding, evaluating nor saving
  Duration train() const;  // elapsed, evaluations left out
};

// Engine thread only. Deterministic in the sequence of (event, now).
class Core {
 public:
  Core(CoreOptions options, std::unique_ptr<train::Trainer> trainer,
       std::unique_ptr<gossip::Algorithm> algorithm);

  // Appends to `out` what is to be done now, in order.
  void handle(const CoreEvent& event, Time now, Effects& out);

  // The work between an effect and its answering event; the driver decides when it runs and how
  // long it took.
  void compute_step();
  void evaluate();
  // Everything that the next round depends on, and what progress() tells. Only between rounds: from
  // SaveCheckpoint to CheckpointSaved, or while can_be_saved(); loading, before anything else. A
  // core that has loaded another's state goes on with the same bits as that one would.
  void archive(Archive& archive, Time now);
  // Between rounds and sound, with rounds done that were not saved yet; also after Finished.
  bool can_be_saved() const { return between_rounds_ && round_ != saved_rounds_; }

  // Time spent in handle(): encoding, decoding and mixing.
  void charge_encoding(Duration took) { encode_ += took; }

  Progress progress(Time now) const;
  std::span<const float> model() const { return algorithm_->model(); }
  const gossip::Algorithm& algorithm() const { return *algorithm_; }
  // Of the newest local step.
  std::span<const float> update() const { return update_; }
  const TensorLayout& layout() const { return trainer_->layout(); }
  std::size_t body_bytes_max() const { return algorithm_->body_bytes_max(); }
  std::string describe() const { return trainer_->describe(); }

 private:
  void on(const Start& event, Time now, Effects& out);
  void on(const PeerUp& event, Time now, Effects& out);
  void on(const PeerDown& event, Time now, Effects& out);
  void on(const Received& event, Time now, Effects& out);
  void on(const TimerFired& event, Time now, Effects& out);
  void on(const StepComputed& event, Time now, Effects& out);
  void on(const Evaluated& event, Time now, Effects& out);
  void on(const CheckpointSaved& event, Time now, Effects& out);
  void on(const CheckpointRequested& event, Time now, Effects& out);
  void on(const StopRequested& event, Time now, Effects& out);

  void give(const gossip::Event& event, Time now, Effects& out);
  void follow(gossip::Action action, Time now, Effects& out);
  void count_sent(const gossip::Parcel& parcel);
  void mark(NodeId partner, bool up);
  void begin_when_ready(Time now, Effects& out);
  void begin_round(Time now, Effects& out);
  void round_finished(Round round, Time now, Effects& out);
  void next(Time now, Effects& out);
  void go_on(Time now, Effects& out);
  bool complete() const { return round_ >= options_.rounds; }
  bool checkpoint_is_due(Time now) const;
  void archive_evaluation(Archive& archive);
  void diverged(const std::string& how, Time now, Effects& out);
  void finish(std::optional<std::string> failure, Time now, Effects& out);
  void catch_up_to(Round round);

  // Constant after construction.
  const CoreOptions options_;
  const std::unique_ptr<train::Trainer> trainer_;
  const std::unique_ptr<gossip::Algorithm> algorithm_;

  Phase phase_ = Phase::waiting;
  bool started_ = false, stopping_ = false;
  std::vector<bool> up_;   // by place in options_.partners
  Round round_ = 0;        // the current one, or the next one between rounds
  Round flock_round_ = 0;  // the furthest that a neighbor has told of
  std::vector<float> update_;
  double step_loss_ = 0;
  std::optional<train::Evaluation> evaluation_;
  Round evaluated_rounds_ = 0;
  double evaluated_at_seconds_ = 0;
  std::uint64_t sent_bytes_ = 0, received_bytes_ = 0, sent_uncompressed_bytes_ = 0;
  Duration compute_{0}, encode_{0}, evaluate_{0}, checkpoint_{0};
  Duration carried_{0};  // elapsed in the process whose state was loaded
  Time began_{0}, ended_{0};

  bool between_rounds_ = true;
  bool checkpoint_wanted_ = false;
  Round saved_rounds_ = 0;  // what the newest checkpoint holds
  Time saved_at_{0};        // or tried to
};

}  // namespace starling::node
