// The thread that trains: a mailbox around the node's core.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/checkpoint_desk.h"
#include "node/checkpoint.h"
#include "node/consensus.h"
#include "node/core.h"
#include "node/reload.h"
#include "protocol/frame.h"
#include "protocol/ids.h"

namespace starling::daemon {

// What the engine has for the io thread. All calls are made there.
class EngineOutput {
 public:
  virtual ~EngineOutput() = default;
  virtual void send(const node::Send& message) = 0;
  virtual void settled(const node::EdgeSettled& edge) = 0;
  virtual void healed(const node::EdgeHealed& edge) = 0;
  virtual void sketched(const node::ModelSketch& model) = 0;
  virtual void fetched(const node::ModelFetched& model) = 0;
  virtual void fetch_given_up(const node::FetchGivenUp& fetch) = 0;
  virtual void leave_out(NodeId peer, const std::string& why) = 0;
  virtual void reject(NodeId peer, const std::string& why) = 0;
  // The body of a received message has been let go of.
  virtual void consumed(NodeId peer, std::uint64_t bytes) = 0;
  // After everything that the engine did; the newest one is what status tells.
  virtual void progressed(std::shared_ptr<const node::Progress> progress) = 0;
  virtual void round_done(const node::RoundDone& done) = 0;
  virtual void checkpointed(const CheckpointOutcome& outcome) = 0;
  // What became of the oldest reload() that was not answered yet; its graph, if that has changed,
  // is the core's from now on, and no link is up for it. No body of an exchange is larger than
  // `body_bytes_max` from now on. An error: nothing has changed.
  virtual void reloaded(const Result<node::Reload>& reload, std::uint64_t body_bytes_max) = 0;
  // Nodes of a mesh are away or back, and the core goes on among those that take part; the rest as
  // with reloaded(). An error: it was not possible, and nothing has changed.
  virtual void regrouped(const Result<node::Reload>& change, std::uint64_t body_bytes_max) = 0;
  // The last call. The core is quiet from now on and may be read.
  virtual void finished(const std::optional<std::string>& failure) = 0;
};

// Public calls: io thread only; each is a message to the engine thread. Every wait of the node is
// in one of the two mailboxes, never under a lock.
class Engine {
 public:
  // What reload() needs.
  struct RunFile {
    node::Run run;  // as it is
    NodeId self;
    // Called on the engine thread: reads the file again; looks at what only the links can refuse.
    std::function<Result<node::Config>()> load;
    std::function<Result<void>(const node::Run&)> check;
  };

  // `io` is the io thread's context; `output` is called there and outlives the engine, as do
  // `checkpoints`, which are the engine thread's from now on. Null: nothing is saved.
  Engine(asio::io_context& io, std::unique_ptr<node::Core> core, node::Checkpoints* checkpoints,
         RunFile run_file, EngineOutput& output);
  // Drops what has not been done yet and waits for the thread.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void post(node::CoreEvent event);
  // Reads the run file again, with the same overrides, and takes up what may change at the end of
  // the round: all of it or nothing. Answered by reloaded(), in the order of the calls.
  void reload();

  // A neighbor knows otherwise who is away: what is new in that is taken up at the end of the
  // round.
  void hear(node::Membership told);

  // Shows the core on the engine thread between two rounds: at once, or when this one is done; null
  // where the node ends before that.
  using Look = std::function<void(const node::Core*)>;
  void between_rounds(Look look);

  // Before the first post() and after finished(): the core itself.
  const node::Core& core() const { return *core_; }
  Time now() const;

 private:
  void handle(node::CoreEvent event);
  void handle_from_links(node::CoreEvent event, std::uint64_t generation);
  void sketch(const node::RoundDone& done);
  void take_look(Look look);
  void show(const node::Core* core);
  void take_reload();
  void regroup(const node::Membership& told);
  void hand_over();
  void answer_reload(Result<node::Reload> reload);
  void tell_regrouped(Result<node::Reload> change);
  void carry_out(node::Effects effects);
  void begin_local_step();
  void run_local_step();
  void run_evaluation();
  void run_checkpoint();
  CheckpointOutcome save();
  void arm(const node::ArmTimer& timer);

  // Constant after construction.
  asio::io_context& io_;
  EngineOutput& output_;
  const std::chrono::steady_clock::time_point origin_ = std::chrono::steady_clock::now();

  // io thread only: the generation for which the links are. What comes from those of an earlier one
  // is not for the core that is there.
  std::uint64_t links_generation_ = 0;

  // Engine thread only, until the core has said Finished; nobody's then.
  std::unique_ptr<node::Core> core_;
  node::Checkpoints* const checkpoints_;
  RunFile run_file_;
  std::optional<node::Reload> reload_;  // checked, and not taken up before the end of the round
  bool is_asked_ = false;               // by reload(); otherwise nodes are away or back
  std::uint64_t generation_ = 0;        // cores that were succeeded
  std::vector<Look> looks_;             // for the end of the round
  node::SketchPace sketch_pace_;
  bool finished_ = false;
  asio::io_context mailbox_;
  asio::steady_timer timer_{mailbox_};  // one: arming it again replaces it
  asio::executor_work_guard<asio::io_context::executor_type> open_{mailbox_.get_executor()};
  std::atomic<std::size_t> untold_ = 0;  // effects on their way to the io thread; any thread
  std::thread thread_;                   // last, so that it starts when everything else is there
};

}  // namespace starling::daemon
