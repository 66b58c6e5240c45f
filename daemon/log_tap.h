// The lines of a running log for whoever follows them, each at a level of its own.
#pragma once

#include <spdlog/common.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "peer/logger.h"
#include "peer/net.h"
#include "protocol/result.h"

namespace starling::daemon {

// debug, info, warn or error; empty: info. Fails with ErrorCode::config.
Result<spdlog::level::level_enum> level_of(const std::string& name);

struct LogLine {
  std::uint64_t time_ms = 0;  // since 1970
  spdlog::level::level_enum level = spdlog::level::info;
  std::string text;
  std::uint64_t dropped = 0;  // lines before it that found no room; the line has no text then
};

// What one follower has not read yet. io thread only.
class LogFollower {
 public:
  static constexpr std::size_t kBytesMax = 256 << 10;  // of lines that wait; more are dropped

  LogFollower(asio::io_context& io, spdlog::level::level_enum level);

  // The next line, or nothing: close() was called. Waits for one; to be called by one at a time.
  peer::Task<std::optional<LogLine>> next();
  void close();
  bool is_closed() const { return closed_; }
  spdlog::level::level_enum level() const { return level_; }

 private:
  friend class LogTap;
  void take(const LogLine& line);

  const spdlog::level::level_enum level_;
  std::deque<LogLine> lines_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0, dropped_at_ms_ = 0;  // the newest of them
  bool closed_ = false;
  asio::steady_timer there_;  // never expires; cancelled when there is something to read
};

// Stands between a logger and those who follow it. What the logger writes elsewhere stays at the
// level that it had; it makes a line of a lower one only while somebody wants it. Made and
// destroyed where nobody else logs; lines of any thread are told, on the io thread.
class LogTap {
 public:
  LogTap(asio::io_context& io, std::shared_ptr<spdlog::logger> log);
  ~LogTap();
  LogTap(const LogTap&) = delete;
  LogTap& operator=(const LogTap&) = delete;

  // Follows from now on, until the follower is closed. io thread only, as the next.
  std::shared_ptr<LogFollower> follow(spdlog::level::level_enum level);
  // Forgets those that are closed: what they alone wanted is not made from here on.
  void tidy();

 private:
  class Sink;
  void tell(const LogLine& line);

  asio::io_context& io_;
  const std::shared_ptr<spdlog::logger> log_;
  const spdlog::level::level_enum own_level_;  // of what the logger writes elsewhere
  const std::shared_ptr<Sink> sink_;
  std::vector<std::shared_ptr<LogFollower>> followers_;
};

}  // namespace starling::daemon
