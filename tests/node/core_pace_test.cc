// A node that has lost all its neighbors goes on at the pace it had with them.
#include <doctest/doctest.h>

#include "tests/node/scripted_node.h"

using namespace starling;
using namespace starling::node;
using namespace starling::node::test;
using namespace std::chrono_literals;
using starling::test::count;
using starling::test::find;

namespace {

// A round of a second with both neighbors; then they are gone, and the round that had begun is over
// after a tenth of a second.
struct Lonely {
  Lonely() {
    node.connect();
    node.step();
    node.receive(kLeft, 0);
    node.receive(kRight, 0, 1s);
    node.give(PeerDown{kLeft}, 1s);
    node.give(PeerDown{kRight}, 1s);
    effects = node.step({}, 1100ms);
  }

  ScriptedNode node{CoreOptions{.rounds = 100}};
  Effects effects;
};

}  // namespace

TEST_CASE("core: alone a node begins no round sooner than it would with its neighbors") {
  Lonely lonely;
  CHECK(count<RoundDone>(lonely.effects) == 1);
  CHECK(count<RunLocalStep>(lonely.effects) == 0);
  REQUIRE(find<ArmTimer>(lonely.effects));
  const ArmTimer armed = *find<ArmTimer>(lonely.effects);
  CHECK(armed.after == 900ms);
  const Effects begun = lonely.node.give(TimerFired{armed.timer}, 2s);
  REQUIRE(find<RunLocalStep>(begun));
  CHECK(find<RunLocalStep>(begun)->round == 2);
  // A round that takes longer by itself does not wait on top of that.
  CHECK(count<RunLocalStep>(lonely.node.step({}, 3500ms)) == 1);
}

TEST_CASE("core: the first neighbor that is back ends the wait") {
  Lonely lonely;
  CHECK(count<RunLocalStep>(lonely.node.give(PeerUp{kLeft, 2, 2}, 1200ms)) == 0);
  CHECK(count<RunLocalStep>(lonely.node.settle(kLeft)) == 1);
}

TEST_CASE("core: one that waits for its pace does at once what is asked for between rounds") {
  CHECK(count<Finished>(Lonely().node.give(StopRequested{false}, 1200ms)) == 1);
  CHECK(count<HandOver>(Lonely().node.give(HandOverRequested{}, 1200ms)) == 1);
  Lonely paused;
  paused.node.give(PauseRequested{true}, 1200ms);
  CHECK(paused.node.phase() == Phase::paused);
  Lonely saved;
  CHECK(count<SaveCheckpoint>(saved.node.give(CheckpointRequested{}, 1200ms)) == 1);
  const Effects after = saved.node.give(CheckpointSaved{100ms, true}, 1300ms);
  CHECK(count<RunLocalStep>(after) == 0);
  REQUIRE(find<ArmTimer>(after));
  CHECK(find<ArmTimer>(after)->after == 700ms);
}

TEST_CASE("core: a node that never had a round with a neighbor waits for none") {
  ScriptedNode node({.rounds = 100, .start_wait = 1s});
  node.give(Start{});
  node.give(TimerFired{0}, 1s);
  CHECK(count<RunLocalStep>(node.step({}, 1001ms)) == 1);
}
