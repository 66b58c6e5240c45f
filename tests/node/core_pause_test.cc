// A node that rests: when, for how long, and what may be asked of it meanwhile.
#include <doctest/doctest.h>

#include "tests/node/scripted_node.h"

using namespace starling;
using namespace starling::node;
using namespace starling::node::test;
using namespace std::chrono_literals;
using starling::test::count;
using starling::test::find;

namespace {

// Two rounds done, the links closed, as the driver does it when the node has come to rest.
ScriptedNode at_rest() {
  ScriptedNode node;
  node.connect();
  node.finish_round(0);
  node.give(PauseRequested{true});
  node.finish_round(1);
  node.give(PeerDown{kLeft});
  node.give(PeerDown{kRight});
  return node;
}

}  // namespace

TEST_CASE("a pause begins at the end of the round") {
  ScriptedNode node;
  node.connect();
  CHECK(node.give(PauseRequested{true}).empty());
  CHECK(node.phase() == Phase::training);
  node.step();
  node.receive(kLeft, 0);
  const Effects ended = node.receive(kRight, 0);
  CHECK(find<RoundDone>(ended));
  CHECK(count<RunLocalStep>(ended) == 0);
  CHECK(node.phase() == Phase::paused);
  CHECK(node.progress().rounds_done == 1);
  CHECK(node.progress().waiting_for.empty());
}

TEST_CASE("after a pause the next round waits for those who were there before it") {
  ScriptedNode node = at_rest();
  const Effects resumed = node.give(PauseRequested{false});
  CHECK(count<RunLocalStep>(resumed) == 0);
  REQUIRE(find<ArmTimer>(resumed));
  CHECK(find<ArmTimer>(resumed)->after == CoreOptions{}.reload_wait);
  CHECK(node.phase() == Phase::waiting);
  CHECK(node.progress().waiting_for == std::vector<NodeId>{kLeft, kRight});
  const Effects alone = node.give(TimerFired{find<ArmTimer>(resumed)->timer});
  CHECK(count<RunLocalStep>(alone) == 1);
  CHECK(node.script().steps.size() == 2);
}

TEST_CASE("a pause that is taken back before the round's end is none") {
  ScriptedNode node;
  node.connect();
  node.give(PauseRequested{true});
  CHECK(node.give(PauseRequested{false}).empty());
  CHECK(count<RunLocalStep>(node.finish_round(0)) == 1);
}

TEST_CASE("the time of a pause is no training time") {
  ScriptedNode node({.rounds = 10}, {}, {});
  node.give(Start{}, 100s);
  node.give(PauseRequested{true}, 101s);
  node.step(1s, 105s);
  CHECK(node.progress(200s).elapsed == 5s);
  CHECK(count<RunLocalStep>(node.give(PauseRequested{false}, 300s)) == 1);
  CHECK(node.progress(310s).elapsed == 15s);
}

TEST_CASE("before the first round a pause holds it up") {
  ScriptedNode node;
  node.give(PauseRequested{true});
  CHECK(count<RunLocalStep>(node.connect()) == 0);
  CHECK(node.phase() == Phase::paused);
  CHECK(count<RunLocalStep>(node.give(PauseRequested{false})) == 1);
}

TEST_CASE("a checkpoint may be asked for in a pause, and the pause goes on behind it") {
  ScriptedNode node = at_rest();
  CHECK(count<SaveCheckpoint>(node.give(CheckpointRequested{})) == 1);
  CHECK(node.phase() == Phase::paused);
  CHECK(node.give(CheckpointSaved{1s, true}).empty());
  CHECK(node.phase() == Phase::paused);
  CHECK(node.progress().rounds_saved == 2);
}

// Whoever asked waits for one that ends after the question.
TEST_CASE("in a pause a checkpoint that is asked for while another is saved comes behind it") {
  ScriptedNode node = at_rest();
  node.give(CheckpointRequested{});
  CHECK(node.give(CheckpointRequested{}).empty());
  CHECK(count<SaveCheckpoint>(node.give(CheckpointSaved{1s, true})) == 1);
  CHECK(node.give(CheckpointSaved{1s, true}).empty());
  CHECK(node.phase() == Phase::paused);
}

TEST_CASE("a pause that is asked for while a node waits for its neighbors begins at once") {
  ScriptedNode node;
  node.give(Start{});
  node.give(PauseRequested{true});
  CHECK(node.phase() == Phase::paused);
  CHECK(node.progress().waiting_for.empty());
}

TEST_CASE("another graph or an end waits for the checkpoint that is being saved in a pause") {
  ScriptedNode reloads = at_rest();
  reloads.give(CheckpointRequested{});
  CHECK(reloads.give(HandOverRequested{}).empty());
  CHECK(count<HandOver>(reloads.give(CheckpointSaved{1s, true})) == 1);

  ScriptedNode stops = at_rest();
  stops.give(CheckpointRequested{});
  CHECK(stops.give(StopRequested{false}).empty());
  CHECK(find<Finished>(stops.give(CheckpointSaved{1s, true})));
  CHECK_FALSE(stops.core().can_be_saved());
}

TEST_CASE("no round begins while a checkpoint is saved, even if the pause is over") {
  ScriptedNode node({.rounds = 10}, {}, {});
  node.give(Start{});
  node.give(PauseRequested{true});
  node.step();
  REQUIRE(count<SaveCheckpoint>(node.give(CheckpointRequested{})) == 1);
  CHECK(count<RunLocalStep>(node.give(PauseRequested{false})) == 0);
  CHECK(count<RunLocalStep>(node.give(CheckpointSaved{1s, true})) == 1);
}

TEST_CASE("a node that rests can be stopped at once") {
  ScriptedNode node = at_rest();
  const Effects stopped = node.give(StopRequested{false});
  REQUIRE(find<Finished>(stopped));
  CHECK(node.core().can_be_saved());
}

TEST_CASE("a node that rests takes up another graph, and rests on") {
  ScriptedNode node = at_rest();
  CHECK(count<HandOver>(node.give(HandOverRequested{})) == 1);
  ScriptedNode next;
  next.core().succeed(node.core(), Time{0});
  // Its links are held, so nobody comes.
  CHECK(count<RunLocalStep>(next.give(Start{})) == 0);
  CHECK(next.phase() == Phase::paused);
  CHECK(next.progress().waiting_for.empty());
  CHECK(count<SaveCheckpoint>(next.give(CheckpointRequested{})) == 1);
  CHECK(count<RunLocalStep>(next.give(CheckpointSaved{1s, true})) == 0);
  CHECK(next.phase() == Phase::paused);
}
