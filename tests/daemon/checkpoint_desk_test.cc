// Who hears of a checkpoint, and how often the log does.
#include "daemon/checkpoint_desk.h"

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <asio/co_spawn.hpp>
#include <sstream>

using namespace starling;
using namespace starling::daemon;

namespace {

struct Desk {
  asio::io_context io;
  std::ostringstream text;
  CheckpointDesk desk{io, std::make_shared<spdlog::logger>(
                              "n0", std::make_shared<spdlog::sinks::ostream_sink_st>(text))};
  std::vector<control::Reply> replies;

  // Somebody asks, and waits.
  void ask() {
    asio::co_spawn(io, desk.next(), [this](const std::exception_ptr& thrown, control::Reply reply) {
      REQUIRE_FALSE(thrown);
      replies.push_back(std::move(reply));
    });
    run();
  }
  void run() {
    io.restart();
    io.poll();
  }
  std::size_t complaints() const {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.str().find("no checkpoint of", at)) != std::string::npos;
         ++at) {
      ++count;
    }
    return count;
  }
};

CheckpointOutcome saved(Round rounds) {
  return {rounds, node::Checkpoints::Saved{"/s/checkpoint-0.safetensors", 100}, Duration{0}};
}

CheckpointOutcome failed(Round rounds) {
  return {rounds, Error{ErrorCode::io, "/s: No space left on device"}, Duration{0}};
}

}  // namespace

TEST_CASE("checkpoint desk: all who ask wait for the next one and hear of it") {
  Desk d;
  d.desk.note(saved(1));
  d.ask();
  d.ask();
  CHECK(d.replies.empty());  // that one was before they asked
  d.desk.note(saved(2));
  d.ask();
  d.run();
  REQUIRE(d.replies.size() == 2);
  CHECK(d.replies[0].checkpoint().round() == 2);
  CHECK(d.replies[1].checkpoint().file() == "/s/checkpoint-0.safetensors");
  CHECK(d.replies[1].checkpoint().bytes() == 100);
  d.desk.note(failed(3));
  d.run();
  REQUIRE(d.replies.size() == 3);
  CHECK(d.replies[2].error().text() == "/s: No space left on device");
}

TEST_CASE("checkpoint desk: who asks a node that ends without one hears that") {
  Desk d;
  d.ask();
  d.desk.close();
  d.run();
  d.ask();
  REQUIRE(d.replies.size() == 2);
  CHECK(d.replies[0].error().text() == "the node has ended, and had no new round to save");
  CHECK(d.replies[1].error().text() == d.replies[0].error().text());
}

TEST_CASE("checkpoint desk: the last checkpoint of a node that ends is an answer as well") {
  Desk d;
  d.ask();
  d.desk.note(saved(9));
  d.desk.close();
  d.run();
  REQUIRE(d.replies.size() == 1);
  CHECK(d.replies[0].checkpoint().round() == 9);
}

TEST_CASE("checkpoint desk: a disk that takes none is complained of once, not every round") {
  Desk d;
  for (Round round = 1; round < 100; ++round) d.desk.note(failed(round));
  CHECK(d.complaints() == 1);
  CHECK(d.text.str().find("no checkpoint of 1 rounds: /s: No space left on device; training goes "
                          "on and the one before stays") != std::string::npos);
}
