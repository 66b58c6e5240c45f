// Following a log while it is written.
#include "daemon/log_tap.h"

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>
#include <thread>

#include "peer/spawn.h"

using namespace starling;
using namespace starling::daemon;

namespace {

struct Log {
  std::ostringstream written;
  std::shared_ptr<spdlog::logger> log = std::make_shared<spdlog::logger>(
      "n0", std::make_shared<spdlog::sinks::ostream_sink_st>(written));
  asio::io_context io;
  std::vector<LogLine> read;

  Log() {
    log->set_level(spdlog::level::warn);
    log->set_pattern("%l %v");
  }
  // Everything that the follower has now and gets until it is closed.
  void follow(const std::shared_ptr<LogFollower>& follower) {
    const auto body = [](Log& self, std::shared_ptr<LogFollower> from) -> peer::Task<void> {
      while (auto line = co_await from->next()) self.read.push_back(*line);
    };
    peer::spawn(io, "reader", log, body(*this, follower), [] {});
    poll();
  }
  void poll() {
    io.restart();
    io.poll();
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const LogLine& line : read) all.push_back(line.text);
    return all;
  }
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("log tap: whoever follows has a level of its own, below and above that of the log") {
  Log log;
  {
    LogTap tap(log.io, log.log);
    const auto low = tap.follow(spdlog::level::debug), high = tap.follow(spdlog::level::err);
    log.log->debug("one");
    log.log->warn("two");
    log.log->error("three");
    log.follow(low);
    CHECK(log.texts() == Texts{"one", "two", "three"});
    CHECK(log.read[1].level == spdlog::level::warn);
    log.read.clear();
    log.follow(high);
    CHECK(log.texts() == Texts{"three"});
    low->close();
    high->close();
    log.poll();
  }
  CHECK(log.written.str() == "warning two\nerror three\n");
}

TEST_CASE("log tap: what nobody wants any more is not made") {
  Log log;
  LogTap tap(log.io, log.log);
  CHECK_FALSE(log.log->should_log(spdlog::level::info));
  const auto follower = tap.follow(spdlog::level::info);
  CHECK(log.log->should_log(spdlog::level::info));
  follower->close();
  tap.tidy();
  CHECK_FALSE(log.log->should_log(spdlog::level::info));
  CHECK(log.log->should_log(spdlog::level::warn));
}

TEST_CASE("log tap: a log is as it was when the tap is gone") {
  Log log;
  {
    LogTap tap(log.io, log.log);
    tap.follow(spdlog::level::debug);
  }
  CHECK(log.log->level() == spdlog::level::warn);
  CHECK(log.log->sinks().size() == 1);
}

TEST_CASE("log tap: lines for which there is no room are counted where they are missing") {
  Log log;
  LogTap tap(log.io, log.log);
  const auto follower = tap.follow(spdlog::level::info);
  const std::string text(1000, 'x');
  for (int i = 0; i < 1000; ++i) log.log->info(text);
  log.follow(follower);
  REQUIRE(log.read.size() > 100);
  const std::size_t kept = log.read.size() - 1;
  CHECK(kept * text.size() <= LogFollower::kBytesMax);
  CHECK(log.read.back().dropped == 1000 - kept);
  CHECK(log.read.back().text.empty());
  log.log->info("there again");
  log.poll();
  CHECK(log.read.back().text == "there again");
  follower->close();
  log.poll();
}

TEST_CASE(
    "log tap: whoever waits for a line hears of one, of another thread, too, and of the end") {
  Log log;
  LogTap tap(log.io, log.log);
  const auto follower = tap.follow(spdlog::level::info);
  log.follow(follower);
  CHECK(log.read.empty());
  log.log->info("here");
  log.poll();
  std::thread([&] { log.log->info("there"); }).join();
  log.poll();
  CHECK(log.texts() == Texts{"here", "there"});
  follower->close();
  log.poll();
  CHECK(log.io.stopped());
}

TEST_CASE("log level: its names, and what is none") {
  CHECK(*level_of("") == spdlog::level::info);
  CHECK(*level_of("debug") == spdlog::level::debug);
  CHECK(*level_of("error") == spdlog::level::err);
  CHECK(level_of("loud").error().message ==
        "found the log level 'loud', expected debug, info, warn or error");
}
