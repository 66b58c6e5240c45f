// How fast bytes may go in one direction: a limit that belongs to one link or to all of a node.
#pragma once

#include <cstddef>
#include <cstdint>

#include "peer/net.h"
#include "protocol/ids.h"

namespace starling::peer {

// The generic cell rate algorithm (ITU-T I.371, annex A, in its virtual scheduling form): each
// piece is booked behind those before it, so that all who share a Pace have their turn, and over
// any time t no more than rate · (t + kBurst) begins to go. io thread.
class Pace {
 public:
  static constexpr Duration kBurst = std::chrono::milliseconds{20};
  // Of a day's bytes so many may go at once; the rest come back evenly, over the day.
  static constexpr double kDayBurst = 1.0 / 24;

  // Bytes a second; 0: as fast as they can.
  explicit Pace(double rate) : rate_(rate) {}
  // No more than these in any 24 hours, and from the beginning kDayBurst of them at once; 0: as
  // many as they are.
  static Pace of_day(std::uint64_t bytes);

  // From now on as fast as `other`; what has been booked stays booked, in bytes.
  void become(const Pace& other, Clock::time_point now);
  // Bytes that may go at once when none have gone for long, and how many of them, or more than
  // those, are booked.
  double burst_bytes() const { return seconds(burst_) * rate_; }
  double booked_bytes(Clock::time_point now) const;
  // As if so many, and no others, had been booked then.
  void set_booked(double bytes, Clock::time_point then);

  bool limits() const { return rate_ > 0; }
  // What is booked at a time: a burst, but a packet at least; any number where nothing limits.
  std::size_t piece() const;
  // The time from which on so many bytes may go.
  Clock::time_point book(std::size_t bytes, Clock::time_point now);
  // So many of the booked bytes did not go after all; where more did, a negative number.
  void correct(std::int64_t unused);

 private:
  Pace(double rate, Duration burst) : rate_(rate), burst_(burst) {}
  Duration duration_of(double bytes) const;

  double rate_;
  Duration burst_ = kBurst;
  Clock::time_point free_at_{};  // of what is booked next
};

}  // namespace starling::peer
