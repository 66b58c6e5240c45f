// A node from its first neighbor to its last round: start, evaluations, stops, failures.
#include "node/core.h"

#include <doctest/doctest.h>

#include "tests/node/scripted_node.h"

using namespace starling;
using namespace starling::node;
using namespace starling::node::test;
using namespace std::chrono_literals;
using starling::test::count;
using starling::test::find;

// ---- start ----------------------------------------------------------------------------------

TEST_CASE("core: training begins when all neighbors are there") {
  ScriptedNode node;
  node.give(Start{});
  CHECK(node.progress().waiting_for == std::vector{kLeft, kRight});
  CHECK(node.give(PeerUp{kLeft, 1, 0}).empty());
  CHECK(node.phase() == Phase::waiting);
  CHECK(node.progress().waiting_for == std::vector{kRight});
  const Effects begun = node.give(PeerUp{kRight, 1, 0});
  CHECK(count<Send>(begun) == 2);
  REQUIRE(find<RunLocalStep>(begun));
  CHECK(find<RunLocalStep>(begun)->round == 0);
  CHECK(node.phase() == Phase::training);
  CHECK(node.progress().waiting_for.empty());
}

TEST_CASE("core: neighbors that are there before the start do not begin the training") {
  ScriptedNode node;
  CHECK(node.give(PeerUp{kLeft, 1, 0}).empty());
  CHECK(node.give(PeerUp{kRight, 1, 0}).empty());
  CHECK(find<RunLocalStep>(node.give(Start{})));
}

TEST_CASE("core: a neighbor that went away again is waited for") {
  ScriptedNode node;
  node.give(Start{});
  node.give(PeerUp{kLeft, 1, 0});
  node.give(PeerDown{kLeft});
  CHECK(node.give(PeerUp{kRight, 1, 0}).empty());
  CHECK_FALSE(find<RunLocalStep>(node.give(PeerUp{kLeft, 2, 0})));
  CHECK(find<RunLocalStep>(node.settle(kLeft)));
}

TEST_CASE("core: after start_wait a node trains with the neighbors that are there") {
  ScriptedNode node({.rounds = 10, .start_wait = 7s});
  const Effects started = node.give(Start{});
  REQUIRE(find<ArmTimer>(started));
  CHECK(find<ArmTimer>(started)->after == 7s);
  node.give(PeerUp{kLeft, 1, 0});
  const Effects begun = node.give(TimerFired{find<ArmTimer>(started)->timer}, 7s);
  REQUIRE(count<Send>(begun) == 1);
  CHECK(find<Send>(begun)->to == kLeft);
  CHECK(find<RunLocalStep>(begun));
  node.step();
  CHECK(find<RoundDone>(node.receive(kLeft, 0)));
}

TEST_CASE("core: the start timer of a node that has begun does nothing") {
  ScriptedNode node;
  const Effects started = node.give(Start{});
  node.give(PeerUp{kLeft, 1, 0});
  node.give(PeerUp{kRight, 1, 0});
  CHECK(node.give(TimerFired{find<ArmTimer>(started)->timer}, 30s).empty());
}

TEST_CASE("core: a node without neighbors begins at once and arms no timer") {
  ScriptedNode node({.rounds = 1}, {}, {});
  const Effects begun = node.give(Start{});
  CHECK(find<RunLocalStep>(begun));
  CHECK_FALSE(find<ArmTimer>(begun));
  CHECK(find<RunEvaluation>(node.step()));
  CHECK(find<Finished>(node.evaluate()));
  CHECK(node.core().model()[0] == -1);
}

// ---- rounds and evaluations -----------------------------------------------------------------

TEST_CASE("core: the model is evaluated at evaluate_every and at the end") {
  ScriptedNode node({.rounds = 5, .evaluate_every = 2});
  node.connect();
  for (Round round = 0; round < 5; ++round) {
    CAPTURE(round);
    Effects ended = node.finish_round(round);
    const bool due = round == 1 || round == 3 || round == 4;
    CHECK(count<RunEvaluation>(ended) == due);
    if (due) {
      CHECK(count<RoundDone>(ended) == 0);  // it is told of with its evaluation
      ended = node.evaluate();
    }
    REQUIRE(count<RoundDone>(ended) == 1);
    CHECK(find<RoundDone>(ended)->round == round);
    CHECK(find<RoundDone>(ended)->evaluated == due);
    CHECK(count<RunLocalStep>(ended) == (round < 4));
    CHECK(count<Finished>(ended) == (round == 4));
  }
  CHECK(node.script().steps == std::vector<Round>{0, 1, 2, 3, 4});
  CHECK(node.script().evaluations == 3);
  CHECK(node.progress().rounds_done == 5);
  CHECK(node.progress().evaluated_rounds == 5);
  REQUIRE(node.progress().evaluation);
  CHECK(node.progress().evaluation->loss == node.core().model()[0]);
}

TEST_CASE("core: a last round that is due anyway is evaluated once") {
  ScriptedNode node({.rounds = 2, .evaluate_every = 2});
  node.connect();
  node.finish_round(0);
  CHECK(find<RunEvaluation>(node.finish_round(1)));
  const Effects ended = node.evaluate();
  REQUIRE(find<Finished>(ended));
  CHECK_FALSE(find<Finished>(ended)->failure.has_value());
  CHECK(node.script().evaluations == 1);
}

TEST_CASE("core: a finished node is deaf") {
  ScriptedNode node({.rounds = 1});
  node.connect();
  node.finish_round(0);
  node.evaluate({}, 3s);
  CHECK(node.phase() == Phase::finished);
  CHECK(node.receive(kLeft, 1).empty());
  CHECK(node.give(PeerDown{kLeft}).empty());
  CHECK(node.give(StopRequested{false}).empty());
  CHECK(node.progress(10s).elapsed == 3s);
}

// ---- stops ----------------------------------------------------------------------------------

TEST_CASE("core: asked to stop while it waits for neighbors a node is done") {
  for (const bool at_once : {false, true}) {
    ScriptedNode node;
    node.give(Start{});
    const Effects stopped = node.give(StopRequested{at_once}, 5s);
    REQUIRE(find<Finished>(stopped));
    CHECK_FALSE(find<Finished>(stopped)->failure.has_value());
    CHECK(node.progress(9s).elapsed == 0s);
  }
}

TEST_CASE("core: asked to stop in a round a node finishes it and does not evaluate") {
  for (const Round rounds : {2, 1}) {  // the last round too
    ScriptedNode node({.rounds = rounds, .evaluate_every = 1});
    node.connect();
    CHECK(node.give(StopRequested{false}).empty());
    const Effects ended = node.finish_round(0);
    CHECK(count<RunEvaluation>(ended) == 0);
    REQUIRE(find<RoundDone>(ended));
    CHECK_FALSE(find<RoundDone>(ended)->evaluated);
    CHECK(find<Finished>(ended));
    CHECK(count<RunLocalStep>(ended) == 0);
    CHECK(node.progress().rounds_done == 1);
  }
}

TEST_CASE("core: asked to stop at once a node leaves the round as it is") {
  ScriptedNode node;
  node.connect();
  node.receive(kLeft, 0);
  const Effects stopped = node.give(StopRequested{true});
  CHECK(stopped.size() == 1);
  CHECK(find<Finished>(stopped));
  CHECK(node.progress().rounds_done == 0);
  CHECK(node.step().empty());  // its step was still being computed
}

TEST_CASE("core: asked twice, the second time at once") {
  ScriptedNode node;
  node.connect();
  CHECK(node.give(StopRequested{false}).empty());
  CHECK(find<Finished>(node.give(StopRequested{true})));
}

TEST_CASE("core: asked to stop during an evaluation a node uses its result") {
  ScriptedNode node({.rounds = 9, .evaluate_every = 1});
  node.connect();
  REQUIRE(find<RunEvaluation>(node.finish_round(0)));
  CHECK(node.give(StopRequested{false}).empty());
  const Effects ended = node.evaluate();
  REQUIRE(find<RoundDone>(ended));
  CHECK(find<RoundDone>(ended)->evaluated);
  CHECK(find<Finished>(ended));
  CHECK(node.progress().evaluated_rounds == 1);
}

TEST_CASE("core: asked to stop at once during an evaluation a node does not wait for it") {
  ScriptedNode node({.rounds = 9, .evaluate_every = 1});
  node.connect();
  node.finish_round(0);
  CHECK(find<Finished>(node.give(StopRequested{true})));
  CHECK(node.evaluate().empty());
}

// ---- failures -------------------------------------------------------------------------------

TEST_CASE("core: a loss or an update that is no number ends the node with a sentence") {
  const auto failure = [](Script script) {
    ScriptedNode node({.rounds = 10}, std::move(script));
    node.connect();
    node.finish_round(0);
    const Effects ended = node.step();
    REQUIRE(find<Finished>(ended));
    CHECK(count<Send>(ended) == 0);
    CHECK(node.core().model()[0] == -1);  // as it was before that round
    return find<Finished>(ended)->failure.value();
  };
  CHECK(failure({.nan_loss_in = 1}) ==
        "training diverged in round 1: the loss is nan; lower [train] learning_rate or raise its "
        "warmup");
  CHECK(failure({.nan_update_in = 1}) ==
        "training diverged in round 1: the update holds nan; lower [train] learning_rate or raise "
        "its warmup");
}
