#include "daemon/engine.h"

#include <asio/post.hpp>

namespace starling::daemon {

Engine::Engine(asio::io_context& io, std::unique_ptr<node::Core> core, EngineOutput& output)
    : io_(io), output_(output), core_(std::move(core)), thread_([this] { mailbox_.run(); }) {}

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
  for (const node::Effect& effect : effects) {
    if (std::holds_alternative<node::RunLocalStep>(effect)) {
      asio::post(mailbox_, [this] { run_local_step(); });
    } else if (std::holds_alternative<node::RunEvaluation>(effect)) {
      asio::post(mailbox_, [this] { run_evaluation(); });
    } else if (const auto* timer = std::get_if<node::ArmTimer>(&effect)) {
      arm(*timer);
    } else if (std::holds_alternative<node::Finished>(effect)) {
      finished_ = true;
    }
  }
  auto progress = std::make_shared<const node::Progress>(core_->progress(now()));
  asio::post(io_, [this, effects = std::move(effects), progress = std::move(progress)] {
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

void Engine::arm(const node::ArmTimer& timer) {
  timer_.expires_after(timer.after);
  timer_.async_wait([this, id = timer.timer](const asio::error_code& cancelled) {
    if (!cancelled) handle(node::TimerFired{id});
  });
}

}  // namespace starling::daemon
