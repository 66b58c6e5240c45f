#include "peer/pace.h"

#include <algorithm>
#include <limits>

namespace starling::peer {

Duration Pace::duration_of(double bytes) const {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(bytes / rate_));
}

Pace Pace::of_day(std::uint64_t bytes) {
  constexpr Duration kDay = std::chrono::hours{24};
  const double at_once = kDayBurst * static_cast<double>(bytes);
  const double rate = (static_cast<double>(bytes) - at_once) / seconds(kDay);
  if (rate == 0) return Pace(0);
  Pace pace(rate,
            std::chrono::duration_cast<Duration>(std::chrono::duration<double>(at_once / rate)));
  pace.free_at_ = Clock::time_point::min();  // the clock may be younger than the burst
  return pace;
}

void Pace::become(const Pace& other, Clock::time_point now) {
  const double booked = booked_bytes(now);
  rate_ = other.rate_;
  burst_ = other.burst_;
  set_booked(booked, now);
}

double Pace::booked_bytes(Clock::time_point now) const {
  const Clock::time_point idle = now - burst_;
  return limits() && free_at_ > idle ? seconds(free_at_ - idle) * rate_ : 0;
}

void Pace::set_booked(double bytes, Clock::time_point then) {
  if (limits()) free_at_ = then - burst_ + duration_of(bytes);
}

// A burst of a day's bytes is far more than should wait behind one turn.
std::size_t Pace::piece() const {
  constexpr double kPacketBytes = 1400;
  constexpr std::size_t kDayPieceBytes = 16384;
  if (!limits()) return std::numeric_limits<std::size_t>::max();
  if (burst_ != kBurst) return kDayPieceBytes;
  return static_cast<std::size_t>(
      std::max(kPacketBytes, rate_ * std::chrono::duration<double>(kBurst).count()));
}

Clock::time_point Pace::book(std::size_t bytes, Clock::time_point now) {
  if (!limits()) return now;
  const Clock::time_point begin = std::max(free_at_, now - burst_);
  free_at_ = begin + duration_of(static_cast<double>(bytes));
  return begin;
}

void Pace::correct(std::int64_t unused) {
  if (limits()) free_at_ -= duration_of(static_cast<double>(unused));
}

}  // namespace starling::peer
