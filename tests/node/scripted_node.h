// One node core with a scripted trainer and real D-PSGD, driven event by event.
#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "gossip/d_psgd.h"
#include "gossip/rounds.h"
#include "node/core.h"
#include "tests/support/far_end.h"
#include "tests/support/variants.h"

namespace starling::node::test {

using starling::test::body_of, starling::test::kLeft, starling::test::kRight, starling::test::kSelf;

// What the trainer shall do, and what it was asked.
struct Script {
  std::optional<Round> nan_loss_in = std::nullopt, nan_update_in = std::nullopt;
  std::vector<Round> steps = {};
  int evaluations = 0;
};

// A model of one number that every step lowers by 1.
class ScriptedTrainer final : public train::Trainer {
 public:
  explicit ScriptedTrainer(std::shared_ptr<Script> script) : script_(std::move(script)) {
    layout_.add("x", {1});
  }

  const TensorLayout& layout() const override { return layout_; }
  void initialize(std::span<float> x) const override { x[0] = 0; }
  double step(Round round, std::span<const float>, std::span<float> update) override {
    script_->steps.push_back(round);
    update[0] = script_->nan_update_in == round ? NAN : 1.0F;
    return script_->nan_loss_in == round ? NAN : 0.5;
  }
  double learning_rate(Round) const override { return 1; }
  train::Evaluation evaluate(std::span<const float> x) override {
    ++script_->evaluations;
    return {.loss = x[0], .accuracy = std::nullopt, .relative_error = std::nullopt};
  }
  void archive(Archive& /*archive*/) override {}  // nothing is kept
  train::MemoryUse memory() const override { return {}; }
  std::string describe() const override { return "scripted"; }

 private:
  const std::shared_ptr<Script> script_;
  TensorLayout layout_;
};

// Node 1 of the path 0-1-2, weights 1/4 to make the sums exact; combine while adapt.
class ScriptedNode {
 public:
  explicit ScriptedNode(CoreOptions options = {.rounds = 10}, Script script = {},
                        std::vector<NodeId> partners = {kLeft, kRight})
      : script_(std::make_shared<Script>(std::move(script))) {
    std::vector<gossip::EdgeEnd> edges;
    for (const NodeId peer : partners) edges.push_back({kSelf, peer, {0.25}});
    const float start = 0;
    auto method = gossip::make_d_psgd(std::span(&start, 1));
    options.partners = std::move(partners);
    core_ =
        std::make_unique<Core>(std::move(options), std::make_unique<ScriptedTrainer>(script_),
                               std::make_unique<gossip::Rounds>(std::move(method), edges, true));
  }

  Effects give(const CoreEvent& event, Time now = {}) {
    return neighbors_.give<PeerUp, Effects>(event,
                                            [&](Effects& out) { core_->handle(event, now, out); });
  }
  // Start and both neighbors: round 0 has begun.
  Effects connect(Time now = {}) {
    give(Start{}, now);
    give(PeerUp{kLeft, 1, 0}, now);
    return give(PeerUp{kRight, 1, 0}, now);
  }
  Effects step(Duration took = {}, Time now = {}) {
    core_->compute_step();
    return give(StepComputed{took}, now);
  }
  Effects receive(NodeId from, Round round, Time now = {}) {
    return give(far(from).say({round, 0}, body_of(0)), now);
  }
  // The same with another model.
  Effects say(NodeId from, Round round, float model, Time now = {}) {
    return give(far(from).say({round, 0}, body_of(model)), now);
  }
  // The neighbor dies and comes back without its memory.
  void forget(NodeId id) { far(id) = starling::test::FarEnd(id, kSelf); }
  // The neighbor says where the edge stands.
  Effects settle(NodeId from) { return give(far(from).settlement()); }
  Effects evaluate(Duration took = {}, Time now = {}) {
    core_->evaluate();
    return give(Evaluated{took}, now);
  }
  // From the effects of the round's beginning to those of its end.
  Effects finish_round(Round round) {
    step();
    receive(kLeft, round);
    return receive(kRight, round);
  }

  Progress progress(Time now = {}) const { return core_->progress(now); }
  Phase phase() const { return progress().phase; }
  Core& core() { return *core_; }
  const Script& script() const { return *script_; }

 private:
  starling::test::FarEnd& far(NodeId id) { return neighbors_.at(id); }

  std::shared_ptr<Script> script_;
  std::unique_ptr<Core> core_;
  starling::test::BothNeighbors neighbors_;
};

}  // namespace starling::node::test
