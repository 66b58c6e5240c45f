// A steady clock that stands still until it is told to move, so that a deadline of a minute is an
// event like any other. Linking virtual_clock.cc gives the whole program this clock in place of the
// kernel's, and leaves Asio without the kernel's timers: it looks at its own ones at every poll().
#pragma once

#include <asio/io_context.hpp>
#include <chrono>

namespace starling::fuzz {

void pass(std::chrono::nanoseconds time);

// The one of all inputs: to make it takes longer than most of them. Each leaves it stopped.
inline asio::io_context& the_io() {
  static asio::io_context io;
  return io;
}

// Runs whatever is ready, and what becomes ready by that.
inline void settle(asio::io_context& io) {
  do io.restart();
  while (io.poll() > 0);
}

}  // namespace starling::fuzz
