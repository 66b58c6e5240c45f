// What is asked of a node, whatever is under way: it is done behind that, once, and nothing else.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/node/scripted_node.h"

using namespace starling;
using namespace starling::node;
using namespace starling::node::test;
using namespace std::chrono_literals;
using starling::test::count;
using starling::test::find;

namespace {

struct State {
  std::string name;
  ScriptedNode (*reached)();
  // Ends what is under way; null where nothing is.
  Effects (*ended)(ScriptedNode& node) = nullptr;
};

ScriptedNode started(CoreOptions options, std::vector<NodeId> partners) {
  ScriptedNode node(std::move(options), {}, std::move(partners));
  node.give(Start{});
  return node;
}

ScriptedNode resting() {
  ScriptedNode node = started({.rounds = 10}, {});
  node.give(PauseRequested{true});
  node.step();
  REQUIRE(node.phase() == Phase::paused);
  return node;
}

Effects saved(ScriptedNode& node) { return node.give(CheckpointSaved{1s, true}); }

const std::vector<State> kStates{
    {"gathering",
     [] {
       return started({.rounds = 10}, {kLeft, kRight});
     }},
    {"fetching",
     [] {
       ScriptedNode node = started({.rounds = 500, .fetches_model = true}, {kLeft});
       node.give(PeerUp{kLeft, 2, 412, 0});
       REQUIRE(node.phase() == Phase::fetching);
       return node;
     },
     [](ScriptedNode& node) { return node.give(TimerFired{0}, 1h); }},
    {"exchanging", [] { return started({.rounds = 10}, {}); },
     [](ScriptedNode& node) { return node.step(); }},
    {"evaluating",
     [] {
       ScriptedNode node = started({.rounds = 10, .evaluate_every = 1}, {});
       REQUIRE(find<RunEvaluation>(node.step()));
       return node;
     },
     [](ScriptedNode& node) { return node.evaluate(); }},
    {"saving",
     [] {
       ScriptedNode node = started({.rounds = 10, .checkpoints = {.every = 1}}, {});
       REQUIRE(find<SaveCheckpoint>(node.step()));
       return node;
     },
     saved},
    {"pacing",
     [] {
       ScriptedNode node({.rounds = 10});
       node.connect();
       node.step();
       node.receive(kLeft, 0);
       node.receive(kRight, 0, 1s);
       node.give(PeerDown{kLeft}, 1s);
       node.give(PeerDown{kRight}, 1s);
       REQUIRE(count<RunLocalStep>(node.step({}, 1100ms)) == 0);
       return node;
     }},
    {"resting", resting},
    {"saving in a pause",
     [] {
       ScriptedNode node = resting();
       REQUIRE(find<SaveCheckpoint>(node.give(CheckpointRequested{})));
       return node;
     },
     saved},
};

// Of the requests, and of the end of what was under way.
Effects asked(const State& state, ScriptedNode& node, const std::vector<CoreEvent>& requests) {
  Effects all;
  const auto add = [&all](Effects&& more) {
    for (Effect& effect : more) all.push_back(std::move(effect));
  };
  for (const CoreEvent& request : requests) add(node.give(request, 1200ms));
  const bool done = find<HandOver>(all) || find<Finished>(all);
  if (state.ended && !done) add(state.ended(node));
  return all;
}

}  // namespace

TEST_CASE("core: in every state a pause begins behind what is under way, and can end") {
  for (const State& state : kStates) {
    CAPTURE(state.name);
    ScriptedNode node = state.reached();
    CHECK(count<RunLocalStep>(asked(state, node, {PauseRequested{true}})) == 0);
    CHECK(node.phase() == Phase::paused);
    node.give(PauseRequested{false}, 1300ms);
    CHECK(node.phase() != Phase::paused);
  }
}

TEST_CASE("core: in every state a pause that is taken back at once is none") {
  for (const State& state : kStates) {
    CAPTURE(state.name);
    ScriptedNode node = state.reached();
    asked(state, node, {PauseRequested{true}, PauseRequested{false}});
    CHECK((node.phase() == Phase::training || node.phase() == Phase::waiting));
  }
}

TEST_CASE("core: in every state it hands over once, behind what is under way") {
  for (const bool pauses : {false, true}) {
    for (const State& state : kStates) {
      CAPTURE(state.name);
      CAPTURE(pauses);
      ScriptedNode node = state.reached();
      const bool rests = node.phase() == Phase::paused || pauses;
      std::vector<CoreEvent> requests{HandOverRequested{}};
      if (pauses) requests.insert(requests.begin(), PauseRequested{true});
      const Effects out = asked(state, node, requests);
      CHECK(count<HandOver>(out) == 1);
      CHECK(count<RunLocalStep>(out) == 0);
      ScriptedNode next({.rounds = 500}, {}, {kLeft});
      next.core().succeed(node.core(), 1200ms);
      next.give(Start{}, 1200ms);
      CHECK((next.phase() == Phase::paused) == rests);
    }
  }
}

TEST_CASE("core: in every state it stops behind what is under way, or at once") {
  for (const bool at_once : {false, true}) {
    for (const State& state : kStates) {
      CAPTURE(state.name);
      CAPTURE(at_once);
      ScriptedNode node = state.reached();
      const Effects out = asked(state, node, {StopRequested{at_once}});
      CHECK(count<Finished>(out) == 1);
      CHECK(count<RunLocalStep>(out) == 0);
      CHECK(node.core().between_rounds() == (!at_once || state.name != "exchanging"));
    }
  }
}

TEST_CASE("core: in every state an end goes before all else that was asked") {
  for (const State& state : kStates) {
    CAPTURE(state.name);
    ScriptedNode node = state.reached();
    const Effects out =
        asked(state, node, {CheckpointRequested{}, StopRequested{false}, PauseRequested{true}});
    // Where one can be saved at once it is, and the end comes behind it.
    const Effects last = find<Finished>(out) ? Effects{} : saved(node);
    CHECK(count<Finished>(out) + count<Finished>(last) == 1);
    CHECK(node.phase() == Phase::finished);
  }
}
