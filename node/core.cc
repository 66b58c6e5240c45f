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
}

void Core::handle(const CoreEvent& event, Time now, Effects& out) {
  if (phase_ == Phase::finished) return;
  std::visit([&](const auto& e) { on(e, now, out); }, event);
}

void Core::compute_step() {
  const std::span<const float> model = algorithm_->model();
  if (const auto slope = algorithm_->slope()) {
    step_loss_ = trainer_->solve(model, *slope, update_).value();  // load_run has seen that it can
  } else {
    step_loss_ = trainer_->step(round_, model, update_);
  }
}

void Core::evaluate() { evaluation_ = trainer_->evaluate(algorithm_->model()); }

Progress Core::progress(Time now) const {
  Progress p;
  p.phase = is_fetching() ? Phase::fetching : paused_ ? Phase::paused : phase_;
  p.rounds_done = round_;
  p.rounds_saved = saved_rounds_;
  p.step_loss = step_loss_;
  p.evaluation = evaluation_;
  p.evaluated_rounds = evaluated_rounds_;
  p.evaluated_at_seconds = evaluated_at_seconds_;
  p.waiting_for = algorithm_->waiting_for();
  if (phase_ == Phase::waiting && !paused_) {
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
  switch (phase_) {
    case Phase::waiting:
    case Phase::fetching:
    case Phase::paused: p.elapsed = carried_; break;
    case Phase::training: p.elapsed = now - began_; break;
    case Phase::finished: p.elapsed = ended_ - began_;
  }
  return p;
}

// ---- events ---------------------------------------------------------------------------------

void Core::on(const Start& /*event*/, Time now, Effects& out) {
  started_ = true;
  started_at_ = now;
  if (complete()) {
    // Loaded, and nothing is left to do. Its last evaluation may not have come to be.
    if (evaluated_rounds_ == round_ && evaluation_) return finish(std::nullopt, now, out);
    out.push_back(RunEvaluation{});
    return;
  }
  if (!options_.partners.empty()) out.push_back(ArmTimer{kStartTimer, start_wait_});
  begin_when_ready(now, out);
}

void Core::on(const TimerFired& event, Time now, Effects& out) {
  if (event.timer != kStartTimer) {
    give(event, now, out);
  } else if (is_fetching()) {
    Fetch::Asks asks;
    fetch_->look_at_time(now, asks);
    follow_fetch(asks, now, out);
  } else if (!wait_no_longer(now, out) && phase_ == Phase::waiting && !complete()) {
    begin_round(now, out);
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
  give(gossip::LocalStepDone{update_, trainer_->learning_rate(round_)}, now, out);
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
  saving_ = false;
  if (event.saved) saved_rounds_ = round_;
  phase_ == Phase::waiting ? begin_when_ready(now, out) : go_on(now, out);
}

void Core::on(const LinkMeasured& event, Time /*now*/, Effects& /*out*/) {
  std::erase_if(measured_, [&](const gossip::LinkRate& one) { return one.peer == event.peer; });
  measured_.push_back({event.peer, event.bytes_per_second});
}

void Core::on(const HandOverRequested& /*event*/, Time now, Effects& out) {
  hand_over_wanted_ = true;
  algorithm_->wind_up();
  if (phase_ == Phase::waiting && !complete()) out.push_back(HandOver{});
  wait_no_longer(now, out);
}

void Core::on(const StopRequested& event, Time now, Effects& out) {
  stopping_ = true;
  if (event.at_once || phase_ == Phase::waiting) return finish(std::nullopt, now, out);
  wait_no_longer(now, out);
}

// ---- rounds ---------------------------------------------------------------------------------

void Core::give(const gossip::Event& event, Time now, Effects& out) {
  gossip::Outbox actions;
  algorithm_->handle(event, now, actions);
  for (gossip::Action& action : actions) {
    if (phase_ == Phase::finished) return;
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

// One that joins a flock does not let those wait who are there for those who are not.
void Core::begin_when_ready(Time now, Effects& out) {
  const auto is_ready = [&](const Partner& p) {
    return p.settled || !p.awaited || (has_fetched() && !p.epoch);
  };
  if (started_ && phase_ == Phase::waiting && !complete() && !is_fetching() &&
      std::ranges::all_of(partners_, is_ready)) {
    begin_round(now, out);
  }
}

void Core::begin_round(Time now, Effects& out) {
  if (pause_wanted_ || saving_) return rest(now);
  if (phase_ == Phase::waiting) {
    phase_ = Phase::training;
    began_ = now - carried_;
    saved_at_ = now;
  }
  admit_barred(now, out);
  between_rounds_ = false;
  round_began_ = now;
  round_ = std::max(round_, flock_round_);
  give(gossip::BeginRound{round_, std::exchange(measured_, {})}, now, out);
}

void Core::round_finished(Round round, Time now, Effects& out) {
  round_ = round + 1;
  between_rounds_ = true;
  if (!is_alone()) learn_pace(now - round_began_);
  giver_.look_at_time(now);
  if (giver_.has_waiting()) give_model(out);
  const bool last = complete();
  const bool due = options_.evaluate_every > 0 && round_ % options_.evaluate_every == 0;
  if (!stopping_ && (last || due)) {
    out.push_back(RunEvaluation{});
    return;
  }
  out.push_back(RoundDone{round, false, sent_bytes_});
  next(now, out);
}

void Core::next(Time now, Effects& out) {
  if (complete() || stopping_ || !checkpoint_is_due(now)) return go_on(now, out);
  save(now, out);
}

bool Core::checkpoint_is_due(Time now) const {
  const CheckpointPlan& plan = options_.checkpoints;
  return checkpoint_wanted_ || (plan.every > 0 && round_ % plan.every == 0) ||
         (plan.every_while > Duration{0} && now - saved_at_ >= plan.every_while);
}

void Core::go_on(Time now, Effects& out) {
  if (complete() || stopping_) {
    finish(std::nullopt, now, out);
  } else if (hand_over_wanted_) {
    out.push_back(HandOver{});
  } else if (const Time due = round_began_ + pace_; is_alone() && now < due && !pause_wanted_) {
    keeps_pace_ = true;
    out.push_back(ArmTimer{kStartTimer, due - now});
  } else {
    begin_round(now, out);
  }
}

bool Core::is_alone() const {
  return !partners_.empty() && std::ranges::none_of(partners_, &Partner::settled);
}

bool Core::wait_no_longer(Time now, Effects& out) {
  if (!std::exchange(keeps_pace_, false)) return false;
  go_on(now, out);
  return true;
}

void Core::learn_pace(Duration took) {
  constexpr int kRounds = 32;  // that the average remembers
  constexpr int kLongest = 4;  // one that waited for a node that had died is no measure
  if (pace_ == Duration{0}) {
    pace_ = took;
  } else {
    pace_ += (std::min(took, kLongest * pace_) - pace_) / kRounds;
  }
}

void Core::finish(std::optional<std::string> failure, Time now, Effects& out) {
  if (phase_ == Phase::training) ended_ = now;
  if (phase_ == Phase::waiting) {
    began_ = now - carried_;
    ended_ = now;
  }
  phase_ = Phase::finished;
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
