// A node that does nothing for a while, and what may be asked of it then.
#include <utility>

#include "node/core.h"

namespace starling::node {
void Core::on(const PauseRequested& event, Time now, Effects& out) {
  pause_wanted_ = event.on;
  if (wait_no_longer(now, out)) return;
  if (event.on || !paused_) return;
  paused_ = false;
  if (is_fetching()) return;
  if (!options_.partners.empty()) out.push_back(ArmTimer{kStartTimer, options_.reload_wait});
  begin_when_ready(now, out);
}

// As before the first round: nothing is under way, and the next one may begin.
void Core::rest(Time now) {
  if (!pause_wanted_) {
    // A checkpoint was asked for in a pause that is over, and nobody is waited for any longer.
    for (Partner& partner : partners_) partner.awaited = false;
    return;
  }
  if (paused_) return;
  paused_ = true;
  if (phase_ == Phase::waiting) return;
  carried_ = progress(now).elapsed;
  loaded_ = true;
  for (Partner& partner : partners_) partner.awaited = partner.settled;
  phase_ = Phase::waiting;
}

void Core::on(const CheckpointRequested& /*event*/, Time now, Effects& out) {
  checkpoint_wanted_ = true;
  const bool at_rest = paused_ || std::exchange(keeps_pace_, false);
  if (at_rest && !saving_ && round_ > 0) save(now, out);
}

void Core::save(Time now, Effects& out) {
  checkpoint_wanted_ = false;
  saved_at_ = now;
  saving_ = true;
  out.push_back(SaveCheckpoint{});
}

}  // namespace starling::node
