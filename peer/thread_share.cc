#include "peer/thread_share.h"

#include <ctime>

namespace starling::peer {

std::int64_t ThreadShare::thread_nanoseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Task<void> ThreadShare::turn(asio::steady_timer& timer) {
  const Clock::time_point now = Clock::now(), begin = pace_.book(kGuess, now);
  if (begin <= now) co_return;
  timer.expires_at(begin);
  co_await timer.async_wait(awaited());
}

}  // namespace starling::peer
