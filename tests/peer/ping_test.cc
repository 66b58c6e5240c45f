// The time to a neighbor and back, over the link that is up.
#include <doctest/doctest.h>

#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

struct Pair {
  explicit Pair(bool tls = false)
      : flock(2, tls), a(io, flock.options(0)), b(io, flock.options(1)) {
    for (Node* node : {&a, &b}) {
      REQUIRE((*node)->listen().ok());
      (*node)->start();
    }
  }
  void connect() {
    REQUIRE(run_until(io, [&] { return a.up() && b.up(); }));
  }
  void ping() {
    a->ping(node_id(1), [this](Result<Duration> got) { answers.push_back(std::move(got)); });
  }

  asio::io_context io;
  Flock flock;
  Node a, b;
  std::vector<Result<Duration>> answers;
};

}  // namespace

TEST_CASE("ping: answered over the link, plain and inside TLS, and never from inside the call") {
  for (const bool tls : {false, true}) {
    CAPTURE(tls);
    Pair pair(tls);
    pair.connect();
    pair.ping();
    CHECK(pair.answers.empty());
    REQUIRE(run_until(pair.io, [&] { return pair.answers.size() == 1; }));
    REQUIRE(pair.answers[0].ok());
    CHECK(*pair.answers[0] > Duration{0});
    CHECK(*pair.answers[0] < std::chrono::seconds{5});
    CHECK(pair.a.frames.empty());  // nothing of it is the owner's affair
    CHECK(pair.b.frames.empty());
  }
}

TEST_CASE("ping: all who ask at a time hear of the same answer, and the next one is new") {
  Pair pair;
  pair.connect();
  for (int i = 0; i < 3; ++i) pair.ping();
  REQUIRE(run_until(pair.io, [&] { return pair.answers.size() == 3; }));
  CHECK(*pair.answers[0] == *pair.answers[2]);
  pair.ping();
  CHECK(run_until(pair.io, [&] { return pair.answers.size() == 4; }));
}

TEST_CASE("ping: goes before what is queued") {
  Pair pair;
  pair.connect();
  pair.b.consumes = false;
  const std::uint64_t most = pair.flock.options(0).body_bytes_max;
  std::size_t frames_at_answer = 0;
  for (int i = 0; i < 2; ++i) pair.a->send(node_id(1), {.epoch = 1}, bytes_of(most, 1));
  pair.a->ping(node_id(1), [&](Result<Duration> got) {
    pair.answers.push_back(std::move(got));
    frames_at_answer = pair.b.frames.size();
  });
  REQUIRE(run_until(pair.io, [&] { return pair.answers.size() == 1; }));
  CHECK(pair.answers[0].ok());
  CHECK(frames_at_answer <= 2);
}

TEST_CASE("ping: says why there is no link, and when it goes down before the answer") {
  Pair pair;
  pair.ping();
  REQUIRE(run_until(pair.io, [&] { return pair.answers.size() == 1; }));
  REQUIRE_FALSE(pair.answers[0].ok());
  CHECK(pair.answers[0].error().message == "no link is up: not dialled yet");
  pair.connect();
  pair.ping();
  pair.a->hold(node_id(1), "for the test");
  REQUIRE(run_until(pair.io, [&] { return pair.answers.size() == 2; }));
  CHECK_FALSE(pair.answers[1].ok());
}
