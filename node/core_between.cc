// What a node does between two rounds, and what may be asked of it then.
#include <algorithm>
#include <utility>

#include "node/core.h"

namespace starling::node {

// ---- what comes next ------------------------------------------------------------------------

void Core::proceed(Time now, Effects& out) {
  at_ = At::between;
  const Time due = round_began_ + pace_;
  if (complete() || wanted_.stop) {
    finish(std::nullopt, now, out);
  } else if (wanted_.hand_over) {
    out.push_back(HandOver{});
  } else if (wanted_.pause) {
    rest(now, out);
  } else if (!runs_since_) {
    gather(options_.reload_wait, now, out);
  } else if (is_alone() && now < due) {
    at_ = At::pacing;
    out.push_back(ArmTimer{kStartTimer, due - now});
  } else {
    begin_round(now, out);
  }
}

void Core::gather(Duration at_most, Time now, Effects& out) {
  at_ = At::gathering;
  if (!partners_.empty()) out.push_back(ArmTimer{kStartTimer, at_most});
  begin_if_gathered(now, out);
}

// One that joins a flock does not let those wait who are there for those who are not.
void Core::begin_if_gathered(Time now, Effects& out) {
  const auto is_ready = [&](const Partner& p) {
    return p.settled || !p.awaited || (has_fetched() && !p.epoch);
  };
  if (at_ != At::gathering) return;
  if (wanted_.pause) return rest(now, out);
  if (std::ranges::all_of(partners_, is_ready)) begin_round(now, out);
}

void Core::begin_round(Time now, Effects& out) {
  if (!runs_since_) {
    runs_since_ = now;
    saved_at_ = now;
    if (absences_) absences_->begin(now);
  }
  at_ = At::exchanging;
  admit_barred(now, out);
  if (absences_) look_for_absent(now, out);
  round_began_ = now;
  round_ = std::max(round_, flock_round_);
  give(gossip::BeginRound{round_, std::exchange(measured_, {})}, now, out);
}

bool Core::is_alone() const {
  return !partners_.empty() && std::ranges::none_of(partners_, &Partner::settled);
}

void Core::neighbor_is_there(Time now, Effects& out) {
  if (at_ == At::pacing) return proceed(now, out);
  begin_if_gathered(now, out);
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

// Whoever is up now is awaited when it goes on. It has a model, and fetches no other.
void Core::rest(Time now, Effects& out) {
  if (runs_since_) {
    stop_clock(now);
    loaded_ = true;
    for (Partner& partner : partners_) partner.awaited = partner.settled;
  }
  at_ = At::resting;
  if (wanted_.checkpoint && round_ > 0) save(now, out);
}

// ---- what may be asked ----------------------------------------------------------------------

// In a round, in an evaluation and while a checkpoint is written it is done afterwards.

void Core::on(const PauseRequested& event, Time now, Effects& out) {
  wanted_.pause = event.on;
  if (at_ == At::gathering) begin_if_gathered(now, out);
  if (at_ == At::pacing || (at_ == At::resting && !event.on)) proceed(now, out);
}

void Core::on(const CheckpointRequested& /*event*/, Time now, Effects& out) {
  wanted_.checkpoint = true;
  if ((at_ == At::resting || at_ == At::pacing) && round_ > 0) save(now, out);
}

void Core::on(const HandOverRequested& /*event*/, Time now, Effects& out) {
  wanted_.hand_over = true;
  algorithm_->wind_up();
  if (is_idle() && !complete()) proceed(now, out);
}

void Core::on(const StopRequested& event, Time now, Effects& out) {
  wanted_.stop = true;
  if (event.at_once) return finish(std::nullopt, now, out);
  if (is_idle()) proceed(now, out);
}

}  // namespace starling::node
