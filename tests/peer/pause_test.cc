// Links that an operator has paused, and of what kind the trouble is with one that is not up.
#include <doctest/doctest.h>

#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

struct Pair {
  Pair() : flock(2), a(io, flock.options(0)), b(io, flock.options(1)) {}
  void start() {
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

TEST_CASE("a link that is held is down at both ends, and both say that it is paused") {
  Pair pair;
  pair.start();
  pair.a->hold(node_id(1), "for the test");
  pair.a->hold(node_id(1), "twice");
  REQUIRE(run_until(pair.io, [&] { return !pair.a.up() && !pair.b.up(); }));
  CHECK(pair.a.told.back() == "down 1: paused here: for the test");
  CHECK(pair.b.told.back() == "down 0: n0 has paused: for the test");
  CHECK(pair.a.status().held);
  CHECK_FALSE(pair.a.status().redial_in);
  CHECK(pair.a.status().trouble == LinkTrouble::paused);
  // The other end dials and is refused, which it hears once.
  const std::string refused = "n0 has paused the link";
  REQUIRE(run_until(pair.io, [&] { return pair.b.status().reason == refused; }));
  CHECK(pair.b.status().trouble == LinkTrouble::paused);
  CHECK(pair.b.status().refusals == 1);
}

TEST_CASE("a link that is released comes back at once") {
  Pair pair;
  pair.start();
  pair.a->hold(node_id(1), "for the test");
  REQUIRE(run_until(pair.io, [&] { return !pair.a.up() && !pair.b.up(); }));
  pair.a->release(node_id(1));
  REQUIRE(run_until(
      pair.io, [&] { return pair.a.up() && pair.b.up(); }, std::chrono::seconds{2}));
  CHECK(pair.a.status().epoch == 2);
  CHECK(pair.a.status().trouble == LinkTrouble::none);
  CHECK_FALSE(pair.a.status().held);
}

TEST_CASE("a link is held before it was ever up, and nothing is told") {
  Pair pair;
  pair.a->hold(node_id(1), "for the test");
  for (Node* node : {&pair.a, &pair.b}) {
    REQUIRE((*node)->listen().ok());
    (*node)->start();
  }
  REQUIRE(run_until(pair.io, [&] { return pair.b.status().trouble == LinkTrouble::paused; }));
  CHECK(pair.a.told.empty());
  CHECK(pair.a.status().dials == 0);
}

TEST_CASE("who does not listen is told from who runs another run") {
  Pair pair;
  REQUIRE(pair.a->listen().ok());
  pair.a->start();
  REQUIRE(run_until(pair.io, [&] {
    return pair.a.status().trouble == LinkTrouble::connection_refused &&
           pair.a.status().redial_in.has_value();
  }));
  CHECK(pair.a.status().dials > 0);
  CHECK(*pair.a.status().redial_in <= std::chrono::seconds{5});
  LinkOptions other = pair.flock.options(1);
  other.fingerprint.push_back({"seed", "8"});
  Node stranger(pair.io, other);
  REQUIRE(stranger->listen().ok());
  stranger->start();
  CHECK(run_until(pair.io, [&] { return pair.a.status().trouble == LinkTrouble::mismatch; }));
  CHECK(run_until(pair.io, [&] { return stranger.status().trouble == LinkTrouble::mismatch; }));
}
