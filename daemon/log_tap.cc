#include "daemon/log_tap.h"

#include <spdlog/sinks/sink.h>

#include <algorithm>
#include <asio/dispatch.hpp>
#include <chrono>
#include <utility>

#include "peer/spawn.h"

namespace starling::daemon {

Result<spdlog::level::level_enum> level_of(const std::string& name) {
  if (name == "debug") return spdlog::level::debug;
  if (name == "info" || name.empty()) return spdlog::level::info;
  if (name == "warn") return spdlog::level::warn;
  if (name == "error") return spdlog::level::err;
  return Error{ErrorCode::config,
               fmt::format("found the log level '{}', expected debug, info, warn or error", name)};
}

LogFollower::LogFollower(asio::io_context& io, spdlog::level::level_enum level)
    : level_(level), there_(io, peer::kNever) {}

peer::Task<std::optional<LogLine>> LogFollower::next() {
  while (!closed_ && lines_.empty() && dropped_ == 0) co_await there_.async_wait(peer::awaited());
  if (closed_) co_return std::nullopt;
  if (lines_.empty()) {
    LogLine gap;
    gap.time_ms = dropped_at_ms_;
    gap.dropped = std::exchange(dropped_, 0);
    co_return gap;
  }
  LogLine line = std::move(lines_.front());
  lines_.pop_front();
  bytes_ -= sizeof line + line.text.size();
  co_return line;
}

void LogFollower::close() {
  closed_ = true;
  there_.cancel();
}

// Behind a gap nothing is taken before the gap was told, so that it is told where it was.
void LogFollower::take(const LogLine& line) {
  if (line.level < level_ || closed_) return;
  const std::size_t bytes = sizeof line + line.text.size();
  if (dropped_ > 0 || bytes_ + bytes > kBytesMax) {
    ++dropped_;
    dropped_at_ms_ = line.time_ms;
  } else {
    bytes_ += bytes;
    lines_.push_back(line);
  }
  there_.cancel();
}

// spdlog asks it for each line that passes the logger's level, on the thread that logs.
class LogTap::Sink final : public spdlog::sinks::sink {
 public:
  explicit Sink(LogTap& tap) : tap_(tap) { set_level(spdlog::level::off); }

  void log(const spdlog::details::log_msg& message) override {
    const auto since_1970 = message.time.time_since_epoch();
    LogLine line{.time_ms = static_cast<std::uint64_t>(
                     std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count()),
                 .level = message.level,
                 .text = {message.payload.begin(), message.payload.end()}};
    asio::dispatch(tap_.io_, [this, line = std::move(line)] { tap_.tell(line); });
  }
  void flush() override {}
  void set_pattern(const std::string& /*pattern*/) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter> /*formatter*/) override {}

 private:
  LogTap& tap_;
};

LogTap::LogTap(asio::io_context& io, std::shared_ptr<spdlog::logger> log)
    : io_(io),
      log_(std::move(log)),
      own_level_(log_->level()),
      sink_(std::make_shared<Sink>(*this)) {
  for (const auto& sink : log_->sinks()) sink->set_level(std::max(sink->level(), own_level_));
  log_->sinks().push_back(sink_);
}

LogTap::~LogTap() {
  std::erase(log_->sinks(), sink_);
  log_->set_level(own_level_);
}

std::shared_ptr<LogFollower> LogTap::follow(spdlog::level::level_enum level) {
  auto follower = std::make_shared<LogFollower>(io_, level);
  followers_.push_back(follower);
  tidy();
  return follower;
}

void LogTap::tidy() {
  std::erase_if(followers_, [](const auto& follower) { return follower->is_closed(); });
  auto wanted = spdlog::level::off;
  for (const auto& follower : followers_) wanted = std::min(wanted, follower->level());
  sink_->set_level(wanted);
  log_->set_level(std::min(wanted, own_level_));
}

void LogTap::tell(const LogLine& line) {
  for (const auto& follower : followers_) follower->take(line);
}

}  // namespace starling::daemon
