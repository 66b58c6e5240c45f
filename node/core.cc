#include "node/core.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compress/finite.h"
#include "protocol/check.h"
#include "protocol/frame.h"

namespace starling::node {
const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::waiting: return "waiting";
    case Phase::fetching: return "fetching";
    case Phase::training: return "training";
    case Phase::paused: return "paused";
    case Phase::finished: return "finished";
  }
  return "?";
}

Duration Progress::wait() const {
  return std::max(Duration{0}, train() - compute - encode - checkpoint);
}
Duration Progress::train() const { return elapsed - evaluate; }

Core::Core(CoreOptions options, std::unique_ptr<train::Trainer> trainer,
           std::unique_ptr<gossip::Algorithm> algorithm)
    : options_(std::move(options)),
      trainer_(std::move(trainer)),
      algorithm_(std::move(algorithm)),
      start_wait_(options_.start_wait),
      update_(algorithm_->model().size()) {
  for (const NodeId id : options_.partners) partners_.push_back({id});
  if (options_.absent_after > Duration{0}) {
    absences_.emplace(options_.partners, options_.flock, options_.absent_after);
  }
}

void Core::handle(CoreEvent event, Time now, Effects& out) {
  if (is_over()) return;
  std::visit([&](auto& e) { on(std::move(e), now, out); }, event);
}

void Core::compute_step() {
  const std::span<const float> model = algorithm_->model();
  update_.resize(model.size());  // an algorithm may have let go of it
  if (const auto slope = algorithm_->slope()) {
    step_loss_ = trainer_->solve(model, *slope, update_).value();  // load_run has seen that it can
  } else {
    step_loss_ = trainer_->step(round_, model, update_);
  }
}

void Core::evaluate() { evaluation_ = trainer_->evaluate(algorithm_->model()); }

Progress Core::progress(Time now) const {
  Progress p;
  p.phase = phase();
  p.rounds_done = round_;
  p.rounds_saved = saved_rounds_;
  p.step_loss = step_loss_;
  p.evaluation = evaluation_;
  p.evaluated_rounds = evaluated_rounds_;
  p.evaluated_at_seconds = evaluated_at_seconds_;
  p.waiting_for = algorithm_->waiting_for();
  if (at_ == At::created || at_ == At::gathering || at_ == At::fetching) {
    for (const Partner& partner : partners_) {
      if (partner.awaited && !partner.settled) p.waiting_for.push_back(partner.id);
    }
  }
  for (const gossip::EdgeStatus& edge : algorithm_->edges()) {
    const Strikes& strikes = partner(edge.peer).strikes;
    p.edges.push_back({.peer = edge.peer,
                       .counted = edge.counted,
                       .made_up = edge.made_up,
                       .reopened = edge.reopened,
                       .rejected = strikes.total(),
                       .malformed = edge.malformed,
                       .too_long = edge.too_long,
                       .strikes = strikes.fresh(now),
                       .left_out = strikes.left(now)});
  }
  p.rates = algorithm_->rates();
  p.sent_bytes = sent_bytes_;
  p.received_bytes = received_bytes_;
  p.sent_uncompressed_bytes = sent_uncompressed_bytes_;
  p.compute = compute_;
  p.encode = encode_;
  p.evaluate = evaluate_;
  p.checkpoint = checkpoint_;
  p.elapsed = elapsed(now);
  return p;
}

Phase Core::phase() const {
  switch (at_) {
    case At::created:
    case At::gathering: return Phase::waiting;
    case At::fetching: return Phase::fetching;
    case At::exchanging:
    case At::pacing: return Phase::training;
    case At::resting: return Phase::paused;
    case At::finished:
    case At::broken_off: return Phase::finished;
    case At::evaluating:
    case At::saving:
    case At::between: break;
  }
  return runs_since_ ? Phase::training : wanted_.pause ? Phase::paused : Phase::waiting;
}

void Core::stop_clock(Time now) {
  carried_ = elapsed(now);
  runs_since_.reset();
}

// ---- events ---------------------------------------------------------------------------------

void Core::on(const Start& /*event*/, Time now, Effects& out) {
  started_at_ = now;
  if (!complete()) return gather(start_wait_, now, out);
  // Loaded, and nothing is left to do. Its last evaluation may not have come to be.
  if (evaluated_rounds_ == round_ && evaluation_) return finish(std::nullopt, now, out);
  at_ = At::evaluating;
  out.push_back(RunEvaluation{});
}

void Core::on(const TimerFired& event, Time now, Effects& out) {
  if (event.timer != kStartTimer) return give(event, now, out);
  if (at_ == At::fetching) {
    Fetch::Asks asks;
    fetch_->look_at_time(now, asks);
    follow_fetch(asks, now, out);
  } else if (at_ == At::gathering) {
    begin_round(now, out);
  } else if (at_ == At::pacing) {
    proceed(now, out);
  }
}

void Core::on(const StepComputed& event, Time now, Effects& out) {
  compute_ += event.took;
  std::string broken;
  if (!std::isfinite(step_loss_)) {
    broken = fmt::format("the loss is {}", step_loss_);
  } else if (const auto at = compress::first_non_finite(update_)) {
    broken = fmt::format("the update holds {}", update_[*at]);
  }
  if (!broken.empty()) return diverged(broken, now, out);
  give(gossip::LocalStepDone{update_, trainer_->learning_rate(round_), &update_}, now, out);
}

void Core::diverged(const std::string& how, Time now, Effects& out) {
  finish(fmt::format("training diverged in round {}: {}; lower [train] learning_rate or raise "
                     "its warmup",
                     round_, how),
         now, out);
}

void Core::on(const Evaluated& event, Time now, Effects& out) {
  evaluate_ += event.took;
  evaluated_rounds_ = round_;
  evaluated_at_seconds_ = seconds(progress(now).train());
  out.push_back(RoundDone{round_ == 0 ? 0 : round_ - 1, true, sent_bytes_});
  next(now, out);
}

void Core::on(const CheckpointSaved& event, Time now, Effects& out) {
  checkpoint_ += event.took;
  if (event.saved) saved_rounds_ = round_;
  proceed(now, out);
}

void Core::on(const LinkMeasured& event, Time /*now*/, Effects& /*out*/) {
  std::erase_if(measured_, [&](const gossip::LinkRate& one) { return one.peer == event.peer; });
  measured_.push_back({event.peer, event.bytes_per_second});
}

// ---- rounds ---------------------------------------------------------------------------------

void Core::give(gossip::Event event, Time now, Effects& out) {
  gossip::Outbox actions;
  algorithm_->handle(std::move(event), now, actions);
  for (gossip::Action& action : actions) {
    if (is_over()) return;
    follow(std::move(action), now, out);
  }
}

void Core::follow(gossip::Action action, Time now, Effects& out) {
  if (const auto* finished = std::get_if<gossip::RoundFinished>(&action)) {
    round_finished(finished->round, now, out);
    return;
  }
  if (const auto* broken = std::get_if<gossip::Diverged>(&action)) {
    diverged("the model: " + broken->why, now, out);
    return;
  }
  if (const auto* event = std::get_if<EdgeSettled>(&action)) return settled(*event, now, out);
  if (auto* wrong = std::get_if<Reject>(&action)) {
    return reject(partner(wrong->peer), std::move(wrong->why), now, out);
  }
  if (const auto* send = std::get_if<Send>(&action)) {
    count_sent(send->parcel);
    Partner& to = partner(send->to);
    to.healing.sent(send->parcel);
    tell_if_healed(to, out);
  }
  std::visit(
      [&out]<class A>(A&& a) {
        if constexpr (std::is_constructible_v<Effect, A>) {
          out.emplace_back(std::forward<A>(a));
        }
      },
      std::move(action));
}

void Core::count_sent(const gossip::Parcel& parcel) {
  if (!parcel.is_of_exchange()) return;
  sent_bytes_ += kFrameHeaderBytes + parcel.body.size();
  if (parcel.exchange == 0) {
    sent_uncompressed_bytes_ += kFrameHeaderBytes + algorithm_->uncompressed_bytes();
  }
}

const Partner& Core::partner(NodeId id) const {
  const auto at = std::ranges::find(partners_, id, &Partner::id);
  INVARIANT(at != partners_.end());
  return *at;
}

void Core::round_finished(Round round, Time now, Effects& out) {
  at_ = At::between;
  round_ = round + 1;
  if (!is_alone()) learn_pace(now - round_began_);
  giver_.look_at_time(now);
  if (giver_.has_waiting()) give_model(out);
  const bool due = options_.evaluate_every > 0 && round_ % options_.evaluate_every == 0;
  if (!wanted_.stop && (complete() || due)) {
    at_ = At::evaluating;
    out.push_back(RunEvaluation{});
    return;
  }
  out.push_back(RoundDone{round, false, sent_bytes_});
  next(now, out);
}

void Core::next(Time now, Effects& out) {
  if (complete() || wanted_.stop || !checkpoint_is_due(now)) return proceed(now, out);
  save(now, out);
}

bool Core::checkpoint_is_due(Time now) const {
  const CheckpointPlan& plan = options_.checkpoints;
  return wanted_.checkpoint || (plan.every > 0 && round_ % plan.every == 0) ||
         (plan.every_while > Duration{0} && now - saved_at_ >= plan.every_while);
}

void Core::save(Time now, Effects& out) {
  wanted_.checkpoint = false;
  saved_at_ = now;
  at_ = At::saving;
  out.push_back(SaveCheckpoint{});
}

void Core::finish(std::optional<std::string> failure, Time now, Effects& out) {
  stop_clock(now);
  at_ = between_rounds() ? At::finished : At::broken_off;
  out.push_back(Finished{std::move(failure)});
}

// A neighbor that is further than the next round will never send what this node would wait for
// there, so this node goes where the flock is. In lockstep a neighbor is at most one round ahead,
// and those that go without an exchange.
void Core::catch_up_to(Round round) {
  const Round last = options_.rounds == 0 ? 0 : options_.rounds - 1;
  flock_round_ = std::max(flock_round_, algorithm_->alone_from(std::min(round, last)));
}

}  // namespace starling::node
