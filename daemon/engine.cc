#include "daemon/engine.h"

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "daemon/resume.h"
#include "protocol/check.h"

namespace starling::daemon {

Engine::Engine(asio::io_context& io, std::unique_ptr<node::Core> core,
               node::Checkpoints* checkpoints, RunFile run_file, EngineOutput& output)
    : io_(io),
      output_(output),
      core_(std::move(core)),
      checkpoints_(checkpoints),
      run_file_(std::move(run_file)),
      thread_([this] { mailbox_.run(); }) {}

Engine::~Engine() {
  mailbox_.stop();
  thread_.join();
}

Time Engine::now() const { return std::chrono::steady_clock::now() - origin_; }

void Engine::post(node::CoreEvent event) {
  asio::post(mailbox_, [this, event = std::move(event), generation = links_generation_]() mutable {
    handle_from_links(std::move(event), generation);
  });
}

void Engine::handle_from_links(node::CoreEvent event, std::uint64_t generation) {
  const auto* received = std::get_if<node::Received>(&event);
  const bool of_link = received || std::holds_alternative<node::PeerUp>(event) ||
                       std::holds_alternative<node::PeerDown>(event) ||
                       std::holds_alternative<node::PeerLeft>(event) ||
                       std::holds_alternative<node::LinkMeasured>(event);
  const bool has_body = received != nullptr;
  const NodeId from = has_body ? received->from : NodeId{};
  const std::size_t bytes = has_body ? received->parcel.body.size() : 0;
  if (!of_link || generation == generation_) handle(std::move(event));
  if (has_body) asio::post(io_, [this, from, bytes] { output_.consumed(from, bytes); });
}

void Engine::handle(node::CoreEvent event) {
  if (finished_) return;
  node::Effects effects;
  const Time begin = now();
  core_->handle(std::move(event), begin, effects);
  core_->charge_encoding(now() - begin);
  std::optional<node::RoundDone> done;
  for (const node::Effect& effect : effects) {
    if (const auto* round = std::get_if<node::RoundDone>(&effect)) done = *round;
  }
  // The next round may have begun already; its first step has not, so the model is still the same.
  if (done) show(core_.get());
  const bool hands_over =
      !effects.empty() && std::holds_alternative<node::HandOver>(effects.back());
  carry_out(std::move(effects));
  if (done) sketch(*done);
  if (hands_over) hand_over();
}

// For people alone, so no round waits for it: what it sends is behind the round's messages.
void Engine::sketch(const node::RoundDone& done) {
  const Round rounds = done.round + 1;
  const std::size_t neighbors = core_->neighbors();
  if (neighbors == 0 || !sketch_pace_.is_due(rounds)) return;
  const Time begin = now();
  const auto model = std::make_shared<const node::ModelSketch>(
      node::sketch_model(core_->model(), run_file_.run.config.run.seed, rounds));
  sketch_pace_.made(core_->progress(begin), neighbors, now() - begin);
  asio::post(io_, [this, model, generation = generation_] {
    if (generation == links_generation_) output_.sketched(*model);
  });
}

// What the engine does itself is posted behind what the io thread gets, so that messages are on
// their way before the next step is computed.
void Engine::carry_out(node::Effects effects) {
  std::optional<CheckpointOutcome> last;
  for (const node::Effect& effect : effects) {
    if (std::holds_alternative<node::RunLocalStep>(effect)) {
      begin_local_step();
    } else if (std::holds_alternative<node::RunEvaluation>(effect)) {
      asio::post(mailbox_, [this] { run_evaluation(); });
    } else if (const auto* timer = std::get_if<node::ArmTimer>(&effect)) {
      arm(*timer);
    } else if (std::holds_alternative<node::SaveCheckpoint>(effect)) {
      asio::post(mailbox_, [this] { run_checkpoint(); });
    } else if (const auto* away = std::get_if<node::NodesAway>(&effect)) {
      hear(run_file_.run.membership.without(away->nodes));
    } else if (std::holds_alternative<node::Finished>(effect)) {
      finished_ = true;
      show(core_->between_rounds() ? core_.get() : nullptr);
      if (std::exchange(reload_, std::nullopt) && is_asked_) {
        answer_reload(Error{ErrorCode::io, "the node has ended before it took up the reload"});
      }
      if (checkpoints_ && core_->can_be_saved()) last = save();
    }
  }
  auto progress = std::make_shared<const node::Progress>(core_->progress(now()));
  ++untold_;
  asio::post(io_, [this, effects = std::move(effects), progress = std::move(progress),
                   last = std::move(last)] {
    --untold_;
    output_.progressed(progress);
    for (const node::Effect& effect : effects) {
      if (const auto* message = std::get_if<node::Send>(&effect)) {
        output_.send(*message);
      } else if (const auto* settled = std::get_if<node::EdgeSettled>(&effect)) {
        output_.settled(*settled);
      } else if (const auto* healed = std::get_if<node::EdgeHealed>(&effect)) {
        output_.healed(*healed);
      } else if (const auto* fetched = std::get_if<node::ModelFetched>(&effect)) {
        output_.fetched(*fetched);
      } else if (const auto* given_up = std::get_if<node::FetchGivenUp>(&effect)) {
        output_.fetch_given_up(*given_up);
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

// Where rounds are shorter than what the io thread does for each, the step waits until that has
// done all that it was told: nothing else would hold a lone node back.
void Engine::begin_local_step() {
  constexpr std::size_t kUntoldMax = 64;
  if (untold_ < kUntoldMax) {
    asio::post(mailbox_, [this] { run_local_step(); });
  } else {
    asio::post(io_, [this] { asio::post(mailbox_, [this] { run_local_step(); }); });
  }
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
  auto saved = checkpoints_->save(rounds, [&](Archive& archive) {
    node::save_membership(run_file_.run, archive);
    core_->archive(archive, begin);
  });
  return {rounds, std::move(saved), now() - begin};
}

void Engine::arm(const node::ArmTimer& timer) {
  timer_.expires_after(timer.after);
  timer_.async_wait(
      [this, id = timer.timer, generation = generation_](const asio::error_code& cancelled) {
        if (!cancelled && generation == generation_) handle(node::TimerFired{id});
      });
}

void Engine::between_rounds(Look look) {
  asio::post(mailbox_, [this, look = std::move(look)]() mutable { take_look(std::move(look)); });
}

void Engine::take_look(Look look) {
  looks_.push_back(std::move(look));
  if (core_->between_rounds()) return show(core_.get());
  if (finished_) show(nullptr);
}

void Engine::show(const node::Core* core) {
  for (const Look& look : std::exchange(looks_, {})) look(core);
}

// ---- reload ---------------------------------------------------------------------------------

void Engine::reload() {
  asio::post(mailbox_, [this] { take_reload(); });
}

// Everything that can fail is done here, before anything changes.
void Engine::take_reload() {
  if (finished_) return answer_reload(Error{ErrorCode::io, "the node has ended"});
  if (reload_) {
    return answer_reload(
        Error{ErrorCode::io, "a reload waits for the end of the round; ask again when it is done"});
  }
  const Result<node::Config> fresh = run_file_.load();
  if (!fresh) return answer_reload(fresh.error());
  Result<node::Reload> planned = node::plan_reload(run_file_.run, run_file_.self, *fresh);
  if (!planned) return answer_reload(planned.error());
  if (Result<void> sound = run_file_.check(planned->run); !sound) {
    return answer_reload(sound.error());
  }
  if (!planned->graph_changed) {
    run_file_.run = planned->run;
    return answer_reload(std::move(planned));
  }
  reload_ = std::move(*planned);
  is_asked_ = true;
  handle(node::HandOverRequested{});
}

void Engine::hear(node::Membership told) {
  asio::post(mailbox_, [this, told = std::move(told)] { regroup(told); });
}

// While another change waits for the end of the round this one is let go of: the neighbor, or the
// core, will say it again.
void Engine::regroup(const node::Membership& told) {
  if (finished_ || reload_) return;
  auto planned = node::plan_regrouping(run_file_.run, run_file_.self, told);
  if (!planned) return tell_regrouped(planned.error());
  if (!*planned) return;
  reload_ = std::move(**planned);
  is_asked_ = false;
  handle(node::HandOverRequested{});
}

void Engine::hand_over() {
  INVARIANT(reload_.has_value());
  run_file_.run = reload_->run;
  core_ = node::succeed(
      *core_, *reload_, run_file_.self,
      checkpoints_ ? plan_of(run_file_.run.config.checkpoint) : node::CheckpointPlan{}, now());
  ++generation_;
  timer_.cancel();
  node::Reload done = std::move(*reload_);
  reload_.reset();
  is_asked_ ? answer_reload(std::move(done)) : tell_regrouped(std::move(done));
  handle(node::Start{});
}

void Engine::tell_regrouped(Result<node::Reload> change) {
  asio::post(io_, [this, change = std::move(change), generation = generation_,
                   body_bytes_max = core_->body_bytes_max()] {
    links_generation_ = generation;
    output_.regrouped(change, body_bytes_max);
  });
}

void Engine::answer_reload(Result<node::Reload> reload) {
  asio::post(io_, [this, reload = std::move(reload), generation = generation_,
                   body_bytes_max = core_->body_bytes_max()] {
    links_generation_ = generation;
    output_.reloaded(reload, body_bytes_max);
  });
}

}  // namespace starling::daemon
