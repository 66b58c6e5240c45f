// So much of the io thread's time, which the links need too, may go to what strangers ask of it.
#pragma once

#include <asio/steady_timer.hpp>
#include <cstdint>

#include "peer/net.h"
#include "peer/pace.h"

namespace starling::peer {

// A pace of nanoseconds that the thread computes; what runs beside it and other processes do not
// count. io thread.
class ThreadShare {
 public:
  explicit ThreadShare(double share) : pace_(share * kNanosecondsASecond) {}

  // Waits for a turn, booked behind all who have asked before; cancelling the timer ends the wait.
  Task<void> turn(asio::steady_timer& timer);
  // What a turn is for; must not wait for anything.
  template <class Work>
  auto charge(Work work) {
    const std::int64_t before = thread_nanoseconds();
    auto result = work();
    pace_.correct(kGuess - (thread_nanoseconds() - before));
    return result;
  }

 private:
  static constexpr double kNanosecondsASecond = 1e9;
  // Booked for a turn until it is over: a signature and what belongs to it.
  static constexpr std::int64_t kGuess = 200'000;
  static std::int64_t thread_nanoseconds();

  Pace pace_;
};

}  // namespace starling::peer
