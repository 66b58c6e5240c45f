#include "peer/thread_share.h"

#include <doctest/doctest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <ctime>

#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

double thread_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

TEST_CASE("thread share: turns that many ask for at once take a tenth of the time") {
  constexpr double kShare = 0.1, kWork = 0.001;
  constexpr int kTasks = 6, kTurns = 10;
  asio::io_context io;
  ThreadShare share(kShare);
  const Clock::time_point begun = Clock::now();
  for (int i = 0; i < kTasks; ++i) {
    asio::co_spawn(
        io,
        [&]() -> Task<void> {
          asio::steady_timer timer(io);
          for (int turn = 0; turn < kTurns; ++turn) {
            co_await share.turn(timer);
            share.charge([&] {
              const double end = thread_seconds() + kWork;
              while (thread_seconds() < end) {
              }
              return 0;
            });
          }
        },
        asio::detached);
  }
  io.run();
  // But for a first turn of each, which is booked before it is known what turns take.
  const double least = kTasks * kTurns * kWork / kShare;
  CHECK(seconds(Clock::now() - begun) > 0.5 * least);
}

TEST_CASE("thread share: a turn is over when its timer is cancelled, others keep theirs") {
  asio::io_context io;
  ThreadShare share(1e-4);
  asio::steady_timer timer(io);
  bool is_over = false;
  asio::co_spawn(
      io,
      [&]() -> Task<void> {
        for (int turn = 0; turn < 3; ++turn) {
          co_await share.turn(timer);
          share.charge([] { return 0; });
        }
        is_over = true;
      },
      asio::detached);
  const auto end = Clock::now() + std::chrono::seconds{30};
  while (!is_over && Clock::now() < end) {
    io.poll();
    timer.cancel();
  }
  CHECK(is_over);
}
