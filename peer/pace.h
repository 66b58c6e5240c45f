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

  // Bytes a second; 0: as fast as they can.
  explicit Pace(double rate) : rate_(rate) {}

  bool limits() const { return rate_ > 0; }
  // What is booked at a time: a burst, but a packet at least.
  std::size_t piece() const;
  // The time from which on so many bytes may go.
  Clock::time_point book(std::size_t bytes, Clock::time_point now);
  // So many of the booked bytes did not go after all; where more did, a negative number.
  void correct(std::int64_t unused);

 private:
  Duration duration_of(double bytes) const;

  double rate_;
  Clock::time_point free_at_{};  // of what is booked next
};

}  // namespace starling::peer
