// What heartbeats say of a neighbor's model.
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
    REQUIRE(run_until(io, [&] { return a.up() && b.up(); }));
  }

  asio::io_context io;
  Flock flock;
  Node a, b;
};

}  // namespace

TEST_CASE("sketch: arrives as it was sent, plain and inside TLS, and is owed to nobody") {
  for (const bool tls : {false, true}) {
    CAPTURE(tls);
    Pair pair(tls);
    pair.b.consumes = false;
    const SharedBytes sketch = bytes_of(1024, 3);
    for (Round rounds = 16; rounds <= 320; rounds += 16) pair.a->sketch(rounds, sketch.bytes());
    REQUIRE(run_until(pair.io, [&] { return pair.b.sketches.size() == 20; }));
    CHECK(pair.b.sketches[0].from == node_id(0));
    CHECK(pair.b.sketches[0].rounds == 16);
    CHECK(pair.b.sketches[19].rounds == 320);
    CHECK(std::ranges::equal(pair.b.sketches[0].bytes.bytes(), sketch.bytes()));
    CHECK(pair.b.frames.empty());
    CHECK(pair.a.sketches.empty());
    CHECK(pair.a.up());
  }
}

TEST_CASE("sketch: where the queue is full it is left out, and costs nobody the link") {
  Pair pair;
  const SharedBytes sketch = bytes_of(1024, 3);
  const std::uint64_t most = pair.flock.options(0).body_bytes_max;
  const std::size_t told = 4 * most / sketch.size();
  for (std::size_t i = 0; i < told; ++i) pair.a->sketch(16, sketch.bytes());
  pair.a->send(node_id(1), {.epoch = 1}, bytes_of(1, 1));
  REQUIRE(run_until(pair.io, [&] { return pair.b.frames.size() == 1; }));
  CHECK(pair.b.sketches.size() > 0);
  CHECK(pair.b.sketches.size() < told);
  CHECK(pair.a.up());
}

TEST_CASE("sketch: without a link nobody is told") {
  asio::io_context io;
  Flock flock(2, false);
  Node a(io, flock.options(0));
  REQUIRE(a->listen().ok());
  a->sketch(16, bytes_of(1024, 3).bytes());
  CHECK_FALSE(a.up());
}
