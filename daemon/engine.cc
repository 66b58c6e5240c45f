#include "daemon/engine.h"

#include <asio/post.hpp>

#include "protocol/check.h"

namespace starling::daemon {

Engine::Engine(asio::io_context& io, std::unique_ptr<node::Core> core,
               node::Checkpoints* checkpoints, EngineOutput& output)
    : io_(io), output_(output), core_(std::move(core)), checkpoints_(checkpoints), thread_([this] {
        mailbox_.run();
      }) {}

Engine::~Engine() {
  mailbox_.stop();
  thread_.join();
}

Time Engine::now() const { return std::chrono::steady_clock::now() - origin_; }

void Engine::post(node::CoreEvent event) {
  asio::post(mailbox_, [this, event = std::move(event)] { handle(event); });
}

void Engine::handle(const node::CoreEvent& event) {
  if (finished_) return;
  node::Effects effects;
  const Time begin = now();
  core_->handle(event, begin, effects);
  core_->charge_encoding(now() - begin);
  if (const auto* received = std::get_if<node::Received>(&event)) {
    asio::post(io_, [this, from = received->from, bytes = received->parcel.body.size()] {
      output_.consumed(from, bytes);
    });
  }
  carry_out(std::move(effects));
}

// What the engine does itself is posted behind what the io thread gets, so that messages are on
// their way before the next step is computed.
void Engine::carry_out(node::Effects effects) {
  std::optional<CheckpointOutcome> last;
  for (const node::Effect& effect : effects) {
    if (std::holds_alternative<node::RunLocalStep>(effect)) {
      asio::post(mailbox_, [this] { run_local_step(); });
    } else if (std::holds_alternative<node::RunEvaluation>(effect)) {
      asio::post(mailbox_, [this] { run_evaluation(); });
    } else if (const auto* timer = std::get_if<node::ArmTimer>(&effect)) {
      arm(*timer);
    } else if (std::holds_alternative<node::SaveCheckpoint>(effect)) {
      asio::post(mailbox_, [this] { run_checkpoint(); });
    } else if (std::holds_alternative<node::Finished>(effect)) {
      finished_ = true;
      if (checkpoints_ && core_->can_be_saved()) last = save();
    }
  }
  auto progress = std::make_shared<const node::Progress>(core_->progress(now()));
  asio::post(io_, [this, effects = std::move(effects), progress = std::move(progress),
                   last = std::move(last)] {
    output_.progressed(progress);
    for (const node::Effect& effect : effects) {
      if (const auto* message = std::get_if<node::Send>(&effect)) {
        output_.send(*message);
      } else if (const auto* settled = std::get_if<node::EdgeSettled>(&effect)) {
        output_.settled(settled->peer, settled->how);
      } else if (const auto* late = std::get_if<node::LeaveOut>(&effect)) {
        output_.leave_out(late->peer, late->why);
      } else if (const auto* wrong = std::get_if<node::Reject>(&effect)) {
        output_.reject(wrong->peer, wrong->why);
      } else if (const auto* done = std::get_if<node::RoundDone>(&effect)) {
        output_.round_done(*done);
      } else if (const auto* finished = std::get_if<node::Finished>(&effect)) {
        if (last) output_.checkpointed(*last);
        output_.finished(finished->failure);
      }
    }
  });
}

void Engine::run_local_step() {
  if (finished_) return;
  const Time begin = now();
  core_->compute_step();
  handle(node::StepComputed{now() - begin});
}

void Engine::run_evaluation() {
  if (finished_) return;
  const Time begin = now();
  core_->evaluate();
  handle(node::Evaluated{now() - begin});
}

void Engine::run_checkpoint() {
  if (finished_) return;
  INVARIANT(checkpoints_);
  const CheckpointOutcome outcome = save();
  asio::post(io_, [this, outcome] { output_.checkpointed(outcome); });
  handle(node::CheckpointSaved{outcome.took, outcome.saved.ok()});
}

CheckpointOutcome Engine::save() {
  const Time begin = now();
  const Round rounds = core_->progress(begin).rounds_done;
  auto saved = checkpoints_->save(rounds, [&](Archive& a) { core_->archive(a, begin); });
  return {rounds, std::move(saved), now() - begin};
}

void Engine::arm(const node::ArmTimer& timer) {
  timer_.expires_after(timer.after);
  timer_.async_wait([this, id = timer.timer](const asio::error_code& cancelled) {
    if (!cancelled) handle(node::TimerFired{id});
  });
}

}  // namespace starling::daemon
