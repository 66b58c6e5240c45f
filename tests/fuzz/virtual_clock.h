// A steady clock that stands still until it is told to move, so that a deadline of a minute is an
// event like any other. Linking virtual_clock.cc gives the whole program this clock in place of the
// kernel's, and leaves Asio without the kernel's timers: it looks at its own ones at every poll().
#pragma once

#include <asio/io_context.hpp>
#include <chrono>

namespace starling::fuzz {

void pass(std::chrono::nanoseconds time);

// For the begin of an input: the clock is where it was at the begin of the first. The io_context is
// the one of all inputs, since to make it takes longer than most of them; each leaves it stopped
// and without timers.
asio::io_context& begin_io();

// Runs whatever is ready, and what becomes ready by that.
inline void settle(asio::io_context& io) {
  do io.restart();
  while (io.poll() > 0);
}

}  // namespace starling::fuzz
