#include "gossip/arrivals.h"

#include <algorithm>

namespace starling::gossip {

void ArrivalEstimate::observe(Duration wait) {
  longest_ = std::max(wait, longest_ - longest_ / 256);
  if (!observed_) {
    observed_ = true;
    mean_ = wait;
    deviation_ = wait / 2;
    return;
  }
  const Duration error = wait - mean_;
  mean_ += error / 8;
  deviation_ += ((error < Duration{0} ? -error : error) - deviation_) / 4;
}

void ArrivalEstimate::gave_up(Duration waited) { longest_ = std::max(longest_, waited); }

Duration ArrivalEstimate::deadline() const {
  const Duration usual = observed_ ? kFloor + 4 * (mean_ + 4 * deviation_) : kFirstDeadline;
  return std::min(std::max(usual, kFloor + 2 * longest_), kCeiling);
}

void Patience::arm(std::span<const std::size_t> missing, Time now, Outbox& out) {
  if (missing.empty()) return;
  Duration earliest = Duration::max();
  for (const std::size_t edge : missing) {
    earliest = std::min(earliest, estimates_[edge].deadline());
  }
  out.push_back(ArmTimer{++timer_, std::max(Duration{0}, earliest - waited(now))});
}

}  // namespace starling::gossip
