#include "peer/pace.h"

#include <algorithm>

namespace starling::peer {

Duration Pace::duration_of(double bytes) const {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(bytes / rate_));
}

std::size_t Pace::piece() const {
  constexpr double kPacketBytes = 1400;
  return static_cast<std::size_t>(
      std::max(kPacketBytes, rate_ * std::chrono::duration<double>(kBurst).count()));
}

Clock::time_point Pace::book(std::size_t bytes, Clock::time_point now) {
  const Clock::time_point begin = std::max(free_at_, now - kBurst);
  free_at_ = begin + duration_of(static_cast<double>(bytes));
  return begin;
}

void Pace::correct(std::int64_t unused) { free_at_ -= duration_of(static_cast<double>(unused)); }

}  // namespace starling::peer
