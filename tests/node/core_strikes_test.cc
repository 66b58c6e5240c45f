// A neighbor that sends what no correct node can send, again and again: it is left out for a while,
// its link held back meanwhile, and tried again.
#include <doctest/doctest.h>

#include "node/core.h"
#include "tests/node/scripted_node.h"

using namespace starling;
using namespace starling::node;
using namespace starling::node::test;
using namespace std::chrono_literals;
using starling::test::count;
using starling::test::find;

namespace {

constexpr float kHuge = 1e9f;

const EdgeCounts& right(const Progress& p) { return p.edges.at(1); }

// In a round that has begun with both neighbors the right one sends that; the round ends without
// it.
Effects refuse(ScriptedNode& node, Round round, Time now) {
  Effects out = node.say(kRight, round, kHuge, now);
  REQUIRE(count<Reject>(out) == 1);
  node.give(PeerDown{kRight}, now);
  node.step({}, now);
  node.receive(kLeft, round, now);
  return out;
}

// The right neighbor is there again; the round under way ends and one with both begins.
void come_back(ScriptedNode& node, Epoch epoch, Round round, Time now) {
  node.give(PeerUp{kRight, epoch, round}, now);
  node.settle(kRight);
  node.step({}, now);
  node.receive(kLeft, round, now);
}

// Three refusals at that time, in the rounds 0, 2 and 4; round 5 has begun. The last one's effects.
Effects strike_out(ScriptedNode& node, Time now) {
  refuse(node, 0, now);
  come_back(node, 2, 1, now);
  refuse(node, 2, now);
  come_back(node, 3, 3, now);
  return refuse(node, 4, now);
}

}  // namespace

TEST_CASE("core: what a neighbor sends too long is counted, and costs its link alone") {
  ScriptedNode node;
  node.connect();
  const Effects out = node.say(kRight, 0, kHuge, 5s);
  REQUIRE(find<Reject>(out));
  CHECK(find<Reject>(out)->peer == kRight);
  CHECK(find<Reject>(out)->why.find("left out") == std::string::npos);
  const EdgeCounts counts = right(node.progress(6s));
  CHECK(counts.rejected == 1);
  CHECK(counts.too_long == 1);
  CHECK(counts.malformed == 0);
  CHECK(counts.strikes == 1);
  CHECK(counts.left_out == 0s);
  CHECK(right(node.progress(11min)).strikes == 0);
  node.give(PeerDown{kRight}, 6s);
  node.step();
  CHECK(find<RoundDone>(node.receive(kLeft, 0)));
  CHECK(node.progress().edges[0].rejected == 0);
}

TEST_CASE("core: after three refusals the neighbor's link is held back, and the others go on") {
  ScriptedNode node({.rounds = 100});
  node.connect();
  const Effects out = strike_out(node, 10s);
  CHECK(
      find<Reject>(out)->why.ends_with("; it is left out for 30 s after 3 refusals in 10 minutes"));
  CHECK(right(node.progress(15s)).rejected == 3);
  CHECK(right(node.progress(15s)).left_out == 25s);

  CHECK(node.give(PeerUp{kRight, 4, 5}, 15s).empty());
  CHECK(node.settle(kRight).empty());
  for (Round round = 5; round < 20; ++round) {
    node.step({}, 20s);
    CHECK(find<RoundDone>(node.receive(kLeft, round, 20s)));
  }
  CHECK(right(node.progress(20s)).counted == 0);
}

TEST_CASE("core: who is left out stays so over a reload in a pause") {
  ScriptedNode node({.rounds = 100});
  node.connect();
  strike_out(node, 10s);
  node.give(PauseRequested{true}, 11s);
  node.step({}, 11s);
  node.receive(kLeft, 5, 11s);
  REQUIRE(node.phase() == Phase::paused);
  ScriptedNode next({.rounds = 100});
  next.core().succeed(node.core(), 12s);
  CHECK(right(next.progress(15s)).left_out == 25s);
  CHECK(right(next.progress(15s)).rejected == 3);
}

TEST_CASE("core: when the back-off is over the neighbor takes part again from the next round on") {
  ScriptedNode node({.rounds = 100});
  node.connect();
  strike_out(node, 10s);
  node.give(PeerUp{kRight, 4, 5}, 15s);
  node.settle(kRight);  // it waits here
  node.step({}, 41s);
  const Effects tried = node.receive(kLeft, 5, 41s);  // ends round 5
  const auto is_to_right = [](const Effect& effect) {
    const auto* send = std::get_if<Send>(&effect);
    return send && send->to == kRight;
  };
  REQUIRE(std::ranges::count_if(tried, is_to_right) == 2);  // the settlement, and round 6
  CHECK(right(node.progress(41s)).left_out == 0s);
  node.say(kRight, 6, 4, 42s);
  node.step({}, 42s);
  CHECK(find<RoundDone>(node.receive(kLeft, 6, 42s)));
  CHECK(right(node.progress(42s)).counted == 1);
}

TEST_CASE("core: one that goes on sending while it is left out is refused for that, too") {
  ScriptedNode node({.rounds = 100});
  node.connect();
  strike_out(node, 10s);
  node.give(PeerUp{kRight, 4, 5}, 15s);
  for (std::size_t i = 0; i < Partner::kHeldMax; ++i) {
    CHECK(node.say(kRight, 5 + i, 0, 16s).empty());
  }
  const Effects out = node.say(kRight, 9, 0, 17s);
  REQUIRE(find<Reject>(out));
  CHECK(find<Reject>(out)->why == "it sends exchanges to a node that leaves it out and sent none");
  CHECK(right(node.progress(17s)).rejected == 4);
}

// A core that succeeds another after a reload knows what the neighbors did.
TEST_CASE("core: a reload does not let a neighbor in that is left out") {
  ScriptedNode before({.rounds = 100}), after({.rounds = 100});
  before.connect();
  strike_out(before, 10s);
  before.step({}, 11s);
  before.give(HandOverRequested{}, 11s);
  REQUIRE(find<HandOver>(before.receive(kLeft, 5, 11s)));
  after.core().succeed(before.core(), 11s);
  CHECK(right(after.progress(12s)).left_out == 28s);
  after.give(Start{}, 12s);
  CHECK(after.give(PeerUp{kRight, 5, 6}, 13s).empty());
}
