// The thread that trains: a mailbox around the node's core.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "daemon/checkpoint_desk.h"
#include "node/checkpoint.h"
#include "node/core.h"
#include "protocol/frame.h"
#include "protocol/ids.h"

namespace starling::daemon {

// What the engine has for the io thread. All calls are made there.
class EngineOutput {
 public:
  virtual ~EngineOutput() = default;
  virtual void send(const node::Send& message) = 0;
  virtual void settled(NodeId peer, const std::string& how) = 0;
  virtual void leave_out(NodeId peer, const std::string& why) = 0;
  virtual void reject(NodeId peer, const std::string& why) = 0;
  // The body of a received message has been let go of.
  virtual void consumed(NodeId peer, std::uint64_t bytes) = 0;
  // After everything that the engine did; the newest one is what status tells.
  virtual void progressed(std::shared_ptr<const node::Progress> progress) = 0;
  virtual void round_done(const node::RoundDone& done) = 0;
  virtual void checkpointed(const CheckpointOutcome& outcome) = 0;
  // The last call. The core is quiet from now on and may be read.
  virtual void finished(const std::optional<std::string>& failure) = 0;
};

// Public calls: io thread only; each is a message to the engine thread. Every wait of the node is
// in one of the two mailboxes, never under a lock.
class Engine {
 public:
  // `io` is the io thread's context; `output` is called there and outlives the engine, as do
  // `checkpoints`, which are the engine thread's from now on. Null: nothing is saved.
  Engine(asio::io_context& io, std::unique_ptr<node::Core> core, node::Checkpoints* checkpoints,
         EngineOutput& output);
  // Drops what has not been done yet and waits for the thread.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void post(node::CoreEvent event);

  // Before the first post() and after finished(): the core itself.
  const node::Core& core() const { return *core_; }
  Time now() const;

 private:
  void handle(const node::CoreEvent& event);
  void carry_out(node::Effects effects);
  void run_local_step();
  void run_evaluation();
  void run_checkpoint();
  CheckpointOutcome save();
  void arm(const node::ArmTimer& timer);

  // Constant after construction.
  asio::io_context& io_;
  EngineOutput& output_;
  const std::chrono::steady_clock::time_point origin_ = std::chrono::steady_clock::now();

  // Engine thread only, until the core has said Finished; nobody's then.
  const std::unique_ptr<node::Core> core_;
  node::Checkpoints* const checkpoints_;
  bool finished_ = false;
  asio::io_context mailbox_;
  asio::steady_timer timer_{mailbox_};  // one: arming it again replaces it
  asio::executor_work_guard<asio::io_context::executor_type> open_{mailbox_.get_executor()};
  std::thread thread_;  // last, so that it starts when everything else is there
};

}  // namespace starling::daemon
