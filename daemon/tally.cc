#include <algorithm>

#include "daemon/metrics.h"

namespace starling::daemon {
namespace {

std::array<Duration, Tally::kParts> times_of(const node::Progress& p) {
  return {p.compute, p.encode, p.evaluate, p.checkpoint, p.wait()};
}

}  // namespace

void Tally::round_done(const node::Progress& after) {
  const auto from = times_of(before_), to = times_of(after);
  before_ = after;
  for (std::size_t i = 0; i < kParts; ++i) {
    const double took = std::max(0.0, seconds(to[i] - from[i]));
    const auto* const bucket = std::ranges::lower_bound(kBounds, took);
    ++parts_[i].counts[static_cast<std::size_t>(bucket - kBounds.begin())];
    ++parts_[i].count;
    parts_[i].sum += took;
  }
}

void Tally::checkpointed(bool saved) {
  if (saved) {
    saved_at_ = peer::Clock::now();
  } else {
    ++checkpoints_failed_;
  }
}

Tally::TurnedAway Tally::turned_away(NodeId peer) const {
  const auto at = turned_away_.find(peer);
  return at == turned_away_.end() ? TurnedAway{} : at->second;
}

std::optional<double> Tally::checkpoint_age_seconds() const {
  if (!saved_at_) return std::nullopt;
  return seconds(peer::Clock::now() - *saved_at_);
}

}  // namespace starling::daemon
