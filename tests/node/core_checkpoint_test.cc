// When a core asks to be saved, and what one goes on with that has loaded another's state.
#include <doctest/doctest.h>

#include "node/run.h"
#include "tests/node/scripted_node.h"
#include "tests/support/memory_state.h"

using namespace starling;
using namespace starling::node;
using namespace starling::node::test;
using namespace std::chrono_literals;
using starling::test::count;
using starling::test::find;
using starling::test::MemoryState;

namespace {

MemoryState saved(Core& core, Time now = {}) {
  MemoryState state;
  Archive archive(static_cast<StateWriter&>(state));
  core.archive(archive, now);
  return state;
}

Result<void> load(const MemoryState& state, Core& core) {
  Archive archive(static_cast<const StateReader&>(state));
  core.archive(archive, Time{0});
  return archive.done();
}

// In a round of a node that has no neighbors; the effects of its end.
Effects finish_round(ScriptedNode& node, Time now = {}) { return node.step({}, now); }

ScriptedNode lonely(CheckpointPlan plan, Round rounds = 10) {
  return ScriptedNode({.rounds = rounds, .checkpoints = plan}, {}, {});
}

}  // namespace

TEST_CASE("checkpoints: due after every so many rounds, and the next round waits for it") {
  ScriptedNode node({.rounds = 5, .checkpoints = {.every = 2}});
  node.connect();
  for (Round round = 0; round < 5; ++round) {
    CAPTURE(round);
    Effects ended = node.finish_round(round);
    const bool due = round == 1 || round == 3;  // not at the end: that one is the driver's
    CHECK(count<SaveCheckpoint>(ended) == due);
    if (!due) continue;
    CHECK(find<RoundDone>(ended));
    CHECK(count<RunLocalStep>(ended) == 0);
    const Effects begun = node.give(CheckpointSaved{20ms, true});
    CHECK(count<RunLocalStep>(begun) == 1);
    CHECK(count<SaveCheckpoint>(begun) == 0);
  }
  CHECK(node.progress().checkpoint == 40ms);
}

TEST_CASE("checkpoints: due by time at the end of the round in which it has passed") {
  ScriptedNode node = lonely({.every_while = 10s});
  node.give(Start{}, 100s);
  CHECK(count<SaveCheckpoint>(finish_round(node, 109s)) == 0);
  CHECK(count<SaveCheckpoint>(finish_round(node, 111s)) == 1);
  node.give(CheckpointSaved{1s, true}, 112s);
  CHECK(count<SaveCheckpoint>(finish_round(node, 120s)) == 0);
  CHECK(count<SaveCheckpoint>(finish_round(node, 121s)) == 1);
  // It failed: training goes on, and the next try is not the next round.
  CHECK(find<RunLocalStep>(node.give(CheckpointSaved{1s, false}, 122s)));
  CHECK(count<SaveCheckpoint>(finish_round(node, 123s)) == 0);
  CHECK(count<SaveCheckpoint>(finish_round(node, 131s)) == 1);
}

TEST_CASE("checkpoints: one that is asked for comes at the end of the round, once") {
  ScriptedNode node = lonely({});
  node.give(CheckpointRequested{});  // before the start as well
  node.give(Start{});
  CHECK(count<SaveCheckpoint>(finish_round(node)) == 1);
  node.give(CheckpointSaved{});
  CHECK(count<SaveCheckpoint>(finish_round(node)) == 0);
  CHECK(node.give(CheckpointRequested{}).empty());
  CHECK(node.give(CheckpointRequested{}).empty());
  CHECK(count<SaveCheckpoint>(finish_round(node)) == 1);
  node.give(CheckpointSaved{});
  CHECK(count<SaveCheckpoint>(finish_round(node)) == 0);
}

TEST_CASE("checkpoints: a node that ends between rounds can be saved, unless it just was") {
  ScriptedNode node = lonely({.every = 1});
  CHECK_FALSE(node.core().can_be_saved());  // nothing done
  node.give(Start{});
  CHECK_FALSE(node.core().can_be_saved());
  REQUIRE(find<SaveCheckpoint>(finish_round(node)));
  CHECK(node.core().can_be_saved());
  CHECK(node.give(StopRequested{false}).empty());
  CHECK(find<Finished>(node.give(CheckpointSaved{0s, false})));
  CHECK(node.core().can_be_saved());  // it had failed

  ScriptedNode other = lonely({.every = 1});
  other.give(Start{});
  finish_round(other);
  CHECK(find<RunLocalStep>(other.give(CheckpointSaved{0s, true})));
  CHECK_FALSE(other.core().can_be_saved());
  other.give(StopRequested{false});
  const Effects ended = finish_round(other);
  CHECK(find<Finished>(ended));
  CHECK(count<SaveCheckpoint>(ended) == 0);
  CHECK(other.core().can_be_saved());
}

TEST_CASE("checkpoints: a node that ends at once or by divergence keeps the one before") {
  ScriptedNode stopped = lonely({});
  stopped.give(Start{});
  finish_round(stopped);
  CHECK(find<Finished>(stopped.give(StopRequested{true})));
  CHECK_FALSE(stopped.core().can_be_saved());

  ScriptedNode diverged({.rounds = 9}, {.nan_loss_in = 1}, {});
  diverged.give(Start{});
  finish_round(diverged);
  REQUIRE(find<Finished>(finish_round(diverged)));
  CHECK_FALSE(diverged.core().can_be_saved());
}

TEST_CASE("checkpoints: what progress tells goes on where it was, without the time between") {
  ScriptedNode node({.rounds = 10, .evaluate_every = 2, .checkpoints = {.every = 3}}, {}, {});
  node.give(Start{}, 100s);
  node.step(1s, 101s);
  node.step(1s, 102s);
  node.evaluate(500ms, 103s);
  REQUIRE(find<SaveCheckpoint>(node.step(1s, 104s)));
  const Progress before = node.progress(105s);

  ScriptedNode next({.rounds = 10, .evaluate_every = 2}, {}, {});
  REQUIRE(load(saved(node.core(), 105s), next.core()).ok());
  const Progress loaded = next.progress(7s);
  CHECK(loaded.phase == Phase::waiting);
  CHECK(loaded.rounds_done == 3);
  CHECK(loaded.step_loss == before.step_loss);
  REQUIRE(loaded.evaluation);
  CHECK(loaded.evaluation->loss == before.evaluation->loss);
  CHECK(loaded.evaluated_rounds == 2);
  CHECK(loaded.evaluated_at_seconds == before.evaluated_at_seconds);
  CHECK(loaded.compute == 3s);
  CHECK(loaded.evaluate == 500ms);
  CHECK(loaded.elapsed == 5s);
  CHECK(loaded.wait() == before.wait());
  next.give(Start{}, 10s);
  CHECK(next.progress(12s).elapsed == 7s);
  CHECK(next.script().steps.empty());
  next.step(1s, 12s);
  CHECK(next.script().steps == std::vector<Round>{3});
  CHECK(next.core().model()[0] == -4);
}

TEST_CASE("checkpoints: a node that was done when it was saved is done when it is loaded") {
  for (const bool evaluated : {true, false}) {
    ScriptedNode node({.rounds = 2}, {}, {kLeft, kRight});
    node.connect();
    node.finish_round(0);
    if (!evaluated) node.give(StopRequested{false});  // leaves out the evaluation
    node.finish_round(1);
    if (evaluated) node.evaluate();
    REQUIRE(node.phase() == Phase::finished);
    REQUIRE(node.core().can_be_saved());

    ScriptedNode next({.rounds = 2}, {}, {kLeft, kRight});
    REQUIRE(load(saved(node.core()), next.core()).ok());
    Effects started = next.give(Start{});
    CHECK(count<RunEvaluation>(started) == !evaluated);
    if (!evaluated) started = next.evaluate();
    CHECK(find<Finished>(started));
    CHECK(next.progress().rounds_done == 2);
    CHECK(next.progress().evaluation->loss == node.core().model()[0]);
    CHECK_FALSE(next.core().can_be_saved());

    // And goes on where more is asked for.
    ScriptedNode more({.rounds = 3}, {}, {kLeft, kRight});
    REQUIRE(load(saved(node.core()), more.core()).ok());
    CHECK(find<ArmTimer>(more.give(Start{})));
  }
}

// Bit for bit, with momentum, noise and every kind of data order: a node alone, whose rounds need
// no neighbor.
TEST_CASE("checkpoints: a run that was stopped and resumed equals the run that never was") {
  const auto config = parse_config(R"(
[run]
rounds = 24
evaluate_every = 5
[topology]
kind = "ring"
nodes = 3
[data]
kind = "optdigits"
path = "data/uci-optdigits"
split = "dirichlet"
[model]
kind = "mlp"
hidden = [16]
[train]
batch = 16
optimizer = "adam"
learning_rate = 0.01
local_steps = 2
[gossip]
algorithm = "none"
)",
                                   "run.toml", STARLING_SOURCE_DIR, {});
  REQUIRE(config.ok());
  const auto run = load_run(*config);
  REQUIRE(run.ok());
  const auto drive = [&](Core& core, bool until_saved) {
    Effects effects;
    core.handle(Start{}, {}, effects);
    while (!find<Finished>(effects)) {
      if (find<SaveCheckpoint>(effects) && until_saved) return;
      const bool step = find<RunLocalStep>(effects), evaluation = find<RunEvaluation>(effects);
      effects.clear();
      if (step) {
        core.compute_step();
        core.handle(StepComputed{}, {}, effects);
      } else if (evaluation) {
        core.evaluate();
        core.handle(Evaluated{}, {}, effects);
      } else {
        core.handle(CheckpointSaved{{}, true}, {}, effects);
      }
    }
  };
  const auto model_of = [](const Core& core) {
    return std::vector<float>(core.model().begin(), core.model().end());
  };
  const auto whole = make_core(*run, node_id(1));
  drive(*whole, false);
  for (const Round stop : {1, 7, 12, 23}) {
    const auto first = make_core(*run, node_id(1), {.every = stop});
    drive(*first, true);
    CHECK(first->progress({}).rounds_done == stop);
    const auto second = make_core(*run, node_id(1), {.every = 5});
    REQUIRE(load(saved(*first), *second).ok());
    drive(*second, false);
    CHECK(second->progress({}).rounds_done == 24);
    CHECK(model_of(*second) == model_of(*whole));
    CHECK(second->progress({}).evaluation->loss == whole->progress({}).evaluation->loss);
    CHECK(model_of(*second) != model_of(*first));
  }
}

TEST_CASE("checkpoints: the fingerprint names run and node, and not how long the run is") {
  const auto fingerprint = [](const std::string& rounds, std::size_t node) {
    const auto config =
        parse_config("[run]\nrounds = " + rounds +
                         "\n[topology]\nkind = \"ring\"\nnodes = 3\n[data]\nkind = \"quadratic\"\n"
                         "[model]\nkind = \"quadratic\"\n",
                     "run.toml", ".", {});
    REQUIRE(config.ok());
    return fingerprint_of(*load_run(*config), node_id(node));
  };
  CHECK(fingerprint("60", 1) == fingerprint("120", 1));
  const auto other = first_difference(fingerprint("60", 1), fingerprint("60", 2));
  REQUIRE(other);
  CHECK(other->field == "node");
  CHECK(other->ours == "n1");
}
