// One node of a run without sockets, clock or threads: what both drivers drive.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gossip/algorithm.h"
#include "node/absences.h"
#include "node/fetch.h"
#include "node/giver.h"
#include "node/healing.h"
#include "node/partner.h"
#include "protocol/frame.h"
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
  // One that has succeeded another waits this long for those that were up before: they reload, too.
  Duration reload_wait = std::chrono::seconds{10};
  std::uint64_t graph = 0;  // hash of the graph: a state of another one is carried over to this one
  CheckpointPlan checkpoints = {};  // none: there will be no SaveCheckpoint unless asked for
  // A node that has loaded nothing and finds neighbors that are past round 0 begins with the model
  // of one of them; otherwise with its start model.
  bool fetches_model = false;
  FetchOptions fetch = {};
  // A mesh: how long a node is not seen before the others go on without it, and how many the run
  // has, those that are away included (Absences). 0: they never do.
  Duration absent_after{0};
  std::size_t flock = 0;
};

// ---- events ---------------------------------------------------------------------------------

struct Start {};
using gossip::PeerDown;
// After PeerDown: it has said that it leaves, and nobody need wait to see whether it is back.
struct PeerLeft {
  NodeId peer;
};
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
struct CheckpointRequested {};  // at the end of the round, or at once while paused
// No round begins from the end of this one on; or: it goes on, when those are there again that were
// when it stopped, after reload_wait at the latest. The driver sees the phase, and keeps the links
// down meanwhile, so that no neighbor waits for this node.
struct PauseRequested {
  bool on;
};
// The driver saw how fast bytes get over the link; the next round begins with it (BeginRound).
struct LinkMeasured {
  NodeId peer;
  double bytes_per_second;
};
struct HandOverRequested {};  // likewise, or at once where no round has begun
struct StopRequested {        // be done without another evaluation
  bool at_once;               // even in the middle of a round; otherwise when it is finished
};
using CoreEvent = std::variant<Start, PeerUp, PeerDown, PeerLeft, Received, TimerFired,
                               StepComputed, Evaluated, CheckpointSaved, CheckpointRequested,
                               PauseRequested, LinkMeasured, HandOverRequested, StopRequested>;

// ---- effects --------------------------------------------------------------------------------

using gossip::ArmTimer;
using gossip::EdgeSettled;  // that this node knows of no break of: it was away itself
using gossip::LeaveOut;
using gossip::Reject;
using gossip::RunLocalStep;
using gossip::Send;
struct RunEvaluation {};
// Let archive() write; the next round begins when CheckpointSaved comes back.
struct SaveCheckpoint {};
// The last effect: a core of another graph succeeds this one, which does nothing more. At once,
// before any other event.
struct HandOver {};
// All that are there agree that these are away; said again in every round until the driver has made
// a core that goes on without them.
struct NodesAway {
  std::vector<NodeId> nodes;
};
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
using Effect = std::variant<Send, EdgeSettled, EdgeHealed, RunLocalStep, ArmTimer, LeaveOut, Reject,
                            RunEvaluation, SaveCheckpoint, HandOver, NodesAway, ModelFetched,
                            FetchGivenUp, RoundDone, Finished>;
using Effects = std::vector<Effect>;

enum class Phase { waiting, fetching, training, paused, finished };
inline constexpr std::array kPhases{Phase::waiting, Phase::fetching, Phase::training, Phase::paused,
                                    Phase::finished};
const char* name_of(Phase phase);

// See gossip::EdgeStatus.
struct EdgeCounts {
  NodeId peer;
  std::uint64_t counted = 0, made_up = 0, reopened = 0;
  // Times that something the neighbor has sent was refused, of these messages of exchanges.
  std::uint64_t rejected = 0, malformed = 0, too_long = 0;
  std::uint64_t strikes = 0;  // Strikes::fresh
  Duration left_out{0};       // until the neighbor is tried again; 0: it is not left out
};

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
  std::vector<EdgeCounts> edges;          // ascending by neighbor
  std::vector<gossip::RateStatus> rates;  // likewise, where messages follow a budget
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
  void handle(CoreEvent event, Time now, Effects& out);

  // The work between an effect and its answering event; the driver decides when it runs and how
  // long it took.
  void compute_step();
  void evaluate();
  // Everything that the next round depends on, and what progress() tells. Only between rounds: from
  // SaveCheckpoint to CheckpointSaved, or while can_be_saved(); loading, before anything else. A
  // core that has loaded another's state goes on with the same bits as that one would.
  void archive(Archive& archive, Time now);
  // Goes on where `before` stood when it said HandOver, with its own edges: those that both have
  // keep their state, every link is down. In place of loading; Start is to follow. Takes the memory
  // of the state twice over until it returns.
  void succeed(Core& before, Time now);
  // The same without what `before` has learned: the node was away, and begins as a new one does.
  void replace(const Core& before);
  // The neighbors of which a state was loaded and dropped, for this core has no edge to them.
  const std::vector<NodeId>& dropped() const { return dropped_; }
  // Between rounds and sound, with rounds done that were not saved yet; also after Finished.
  bool can_be_saved() const { return between_rounds() && round_ != saved_rounds_; }

  // No round is under way, so that the model is one that whole rounds have made.
  bool between_rounds() const { return at_ != At::exchanging && at_ != At::broken_off; }
  Round rounds_done() const { return round_; }
  std::size_t neighbors() const { return partners_.size(); }

  // Time spent in handle(): encoding, decoding and mixing.
  void charge_encoding(Duration took) { encode_ += took; }

  Progress progress(Time now) const;
  std::span<const float> model() const { return algorithm_->model(); }
  const gossip::Algorithm& algorithm() const { return *algorithm_; }
  // Of the newest local step; empty where the algorithm has let go of it.
  std::span<const float> update() const { return update_; }
  const TensorLayout& layout() const { return trainer_->layout(); }
  std::size_t body_bytes_max() const { return algorithm_->body_bytes_max(); }
  // Of a model that is given or fetched.
  std::size_t piece_bytes_max() const { return std::min(kPieceBytes, model().size_bytes()); }
  std::string describe() const { return trainer_->describe(); }

 private:
  // What is under way, which says how an event is answered. What it cannot be answered with at once
  // is Wanted, and done as soon as it can be.
  enum class At : std::uint8_t {
    created,     // Start is still to come
    gathering,   // the neighbors that are awaited, until kStartTimer
    fetching,    // a model
    exchanging,  // a round; in all other states none is under way
    between,     // two rounds, and about to do what proceed() finds; or has handed over
    evaluating,
    saving,
    pacing,  // alone, and the next round is due at kStartTimer
    resting,
    finished,
    broken_off,  // likewise, in the middle of a round
  };
  struct Wanted {
    bool checkpoint = false, hand_over = false, pause = false, stop = false;
  };

  // The algorithm numbers its timers from 1, and has none before the first round.
  static constexpr std::uint64_t kStartTimer = 0;
  void on(const Start& event, Time now, Effects& out);
  void on(const PeerUp& event, Time now, Effects& out);
  void on(const PeerDown& event, Time now, Effects& out);
  void on(const PeerLeft& event, Time now, Effects& out);
  void on(Received&& event, Time now, Effects& out);
  void on(const TimerFired& event, Time now, Effects& out);
  void on(const StepComputed& event, Time now, Effects& out);
  void on(const Evaluated& event, Time now, Effects& out);
  void on(const CheckpointSaved& event, Time now, Effects& out);
  void on(const CheckpointRequested& event, Time now, Effects& out);
  void on(const PauseRequested& event, Time now, Effects& out);
  void on(const LinkMeasured& event, Time now, Effects& out);
  void on(const HandOverRequested& event, Time now, Effects& out);
  void on(const StopRequested& event, Time now, Effects& out);

  void give(gossip::Event event, Time now, Effects& out);
  void follow(gossip::Action action, Time now, Effects& out);
  void count_sent(const gossip::Parcel& parcel);
  const Partner& partner(NodeId id) const;
  Partner& partner(NodeId id) { return const_cast<Partner&>(std::as_const(*this).partner(id)); }
  // core_between.cc: what comes next where no round is under way.
  void proceed(Time now, Effects& out);
  void gather(Duration at_most, Time now, Effects& out);
  void begin_if_gathered(Time now, Effects& out);
  void begin_round(Time now, Effects& out);
  void rest(Time now, Effects& out);
  void neighbor_is_there(Time now, Effects& out);
  bool is_alone() const;
  // Nothing is computed, written or exchanged whose end would have to be awaited.
  bool is_idle() const {
    return at_ == At::created || at_ == At::gathering || at_ == At::fetching || at_ == At::pacing ||
           at_ == At::resting;
  }
  void learn_pace(Duration took);
  void round_finished(Round round, Time now, Effects& out);
  void next(Time now, Effects& out);
  bool complete() const { return round_ >= options_.rounds; }
  bool is_over() const { return at_ == At::finished || at_ == At::broken_off; }
  Phase phase() const;
  Duration elapsed(Time now) const {
    return carried_ + (runs_since_ ? now - *runs_since_ : Duration{0});
  }
  void stop_clock(Time now);
  bool checkpoint_is_due(Time now) const;
  void save(Time now, Effects& out);
  void archive_evaluation(Archive& archive);
  void diverged(const std::string& how, Time now, Effects& out);
  void finish(std::optional<std::string> failure, Time now, Effects& out);
  void catch_up_to(Round round);

  // core_join.cc
  void admit(Partner& partner, Time now, Effects& out);
  void receive_held(Partner& partner, Received&& event, Time now, Effects& out);
  bool can_be_in(Partner& partner, Round round, Time now, Effects& out);
  void reject(Partner& partner, std::string why, Time now, Effects& out);
  void admit_barred(Time now, Effects& out);
  void settled(const EdgeSettled& event, Time now, Effects& out);
  void tell_if_healed(Partner& partner, Effects& out);
  bool has_fetched() const { return fetch_ && fetch_->state() == Fetch::State::done; }
  bool is_fetching() const { return at_ == At::fetching; }
  bool would_fetch_from(const PeerUp& event) const;
  void answer_ask(const Received& event, Time now, Effects& out);
  void give_model(Effects& out);
  void take_answer(const Received& event, Time now, Effects& out);
  void follow_fetch(const Fetch::Asks& asks, Time now, Effects& out);
  void end_fetch(Time now, Effects& out);
  void say(NodeId to, gossip::Parcel parcel, Effects& out);
  void welcome(const Partner& partner, Effects& out);
  void say_missed(NodeId to, Absences::Word word, Effects& out);
  void hear_missed(const Received& event, Time now, Effects& out);
  void look_for_absent(Time now, Effects& out);

  // Constant after construction.
  const CoreOptions options_;
  const std::unique_ptr<train::Trainer> trainer_;
  const std::unique_ptr<gossip::Algorithm> algorithm_;

  At at_ = At::created;
  Wanted wanted_;
  Duration start_wait_;            // before the first round
  std::vector<Partner> partners_;  // as in options_.partners
  std::optional<Fetch> fetch_;     // from the first neighbor that is further on
  Giver giver_;
  std::optional<Absences> absences_;  // of a mesh
  bool loaded_ = false;
  Time started_at_{0};
  Round round_ = 0;        // the current one, or the next one between rounds
  Round flock_round_ = 0;  // the furthest that a neighbor has told of
  std::vector<float> update_;
  double step_loss_ = 0;
  std::optional<train::Evaluation> evaluation_;
  Round evaluated_rounds_ = 0;
  double evaluated_at_seconds_ = 0;
  std::uint64_t sent_bytes_ = 0, received_bytes_ = 0, sent_uncompressed_bytes_ = 0;
  Duration compute_{0}, encode_{0}, evaluate_{0}, checkpoint_{0};
  Duration carried_{0};             // elapsed before runs_since_, in other processes as well
  std::optional<Time> runs_since_;  // the first round after Start or a rest; none: it is to come

  // Alone a node has nobody to wait for, and would be far beyond the flock when it is back; the
  // flock would follow it there (catch_up_to), and so lose the rounds between.
  Duration pace_{0};  // of a round with neighbors, on average; 0: there was none yet
  Time round_began_{0};

  std::vector<gossip::LinkRate> measured_;  // since the last round began, the newest of each link
  std::vector<NodeId> dropped_;
  Round saved_rounds_ = 0;  // what the newest checkpoint holds
  Time saved_at_{0};        // or tried to
};

}  // namespace starling::node
