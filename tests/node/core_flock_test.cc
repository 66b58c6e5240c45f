// What a node counts, and how it follows a flock that is ahead of it.
#include <doctest/doctest.h>

#include "gossip/assembly.h"
#include "node/core.h"
#include "protocol/frame.h"
#include "tests/node/scripted_node.h"

using namespace starling;
using namespace starling::node;
using namespace starling::node::test;
using namespace std::chrono_literals;
using starling::test::count;
using starling::test::find;

// ---- counters -------------------------------------------------------------------------------

TEST_CASE("core: bytes are counted with their frame headers") {
  constexpr std::uint64_t kMessage = kFrameHeaderBytes + sizeof(float);
  static_assert(kMessage == 68);
  ScriptedNode node;
  node.connect();
  CHECK(node.progress().sent_bytes == 2 * kMessage);
  CHECK(node.progress().received_bytes == 0);
  node.finish_round(0);
  CHECK(node.progress().received_bytes == 2 * kMessage);
  CHECK(node.progress().sent_bytes == 4 * kMessage);  // round 1 has begun
  node.give(PeerDown{kRight});
  node.step();
  node.receive(kLeft, 1);
  CHECK(node.progress().sent_bytes == 5 * kMessage);
  CHECK(node.progress().sent_uncompressed_bytes == 5 * kMessage);
}

// PowerGossip with two exchanges a round on a 4 × 3 matrix: factors of 3, then of 4 floats.
TEST_CASE("core: the uncompressed yardstick is the whole model once a round and edge") {
  TensorLayout layout;
  layout.add("x", {4, 3});
  class Matrix final : public train::Trainer {
   public:
    explicit Matrix(TensorLayout layout) : layout_(std::move(layout)) {}
    const TensorLayout& layout() const override { return layout_; }
    void initialize(std::span<float>) const override {}
    double step(Round, std::span<const float>, std::span<float>) override { return 0; }
    double learning_rate(Round) const override { return 0; }
    train::Evaluation evaluate(std::span<const float>) override { return {}; }
    void archive(Archive& /*archive*/) override {}
    train::MemoryUse memory() const override { return {}; }
    std::string describe() const override { return ""; }

   private:
    const TensorLayout layout_;
  };
  const std::vector<float> start(12, 1.0F);
  const auto topology = gossip::Topology::make(
      {.kind = gossip::TopologyKind::path, .nodes = 2, .degree = 0, .edges = {}}, 1);
  Core core(
      {.rounds = 1, .partners = {node_id(1)}}, std::make_unique<Matrix>(layout),
      gossip::make_algorithm({.iterations = 2}, {*topology, layout, start, start, node_id(0), 1}));
  Effects out;
  core.handle(Start{}, 0s, out);
  core.handle(PeerUp{node_id(1), 1, 0}, 0s, out);
  core.compute_step();
  core.handle(StepComputed{}, 0s, out);
  CHECK(core.progress(0s).sent_bytes == 64 + 3 * 4);
  ByteBlock factor(3 * sizeof(float));
  std::ranges::fill(factor.floats(), 1.0F);
  gossip::EdgeLedger far({node_id(1), node_id(0), 0});
  far.open(1);
  core.handle(Received{node_id(1), {.epoch = 1, .base = far.chain(), .body = std::move(factor)}},
              0s, out);
  CHECK(core.progress(0s).sent_bytes == 64 + 3 * 4 + 64 + 4 * 4);
  CHECK(core.progress(0s).sent_uncompressed_bytes == 64 + 12 * 4);
}

TEST_CASE("core: wait is what is left of the time when work is taken out") {
  ScriptedNode node({.rounds = 2, .evaluate_every = 1});
  CHECK(node.progress(100s).wait() == 0s);
  node.connect(10s);
  node.core().charge_encoding(1s);
  node.step(4s, 15s);  // 4 s of work after 1 s of encoding
  node.receive(kLeft, 0, 18s);
  node.receive(kRight, 0, 20s);  // 5 s of waiting
  CHECK(node.progress(20s).elapsed == 10s);
  CHECK(node.progress(20s).wait() == 5s);
  node.evaluate(7s, 27s);
  const Progress progress = node.progress(27s);
  CHECK(progress.compute == 4s);
  CHECK(progress.encode == 1s);
  CHECK(progress.evaluate == 7s);
  CHECK(progress.elapsed == 17s);
  CHECK(progress.train() == 10s);
  CHECK(progress.wait() == 5s);
  CHECK(progress.evaluated_at_seconds == 10);
}

// ---- catching up ----------------------------------------------------------------------------

TEST_CASE("core: a node that comes back begins at the round where its neighbors are") {
  ScriptedNode node({.rounds = 100});
  node.give(Start{});
  node.give(PeerUp{kLeft, 2, 41});
  node.settle(kLeft);
  node.give(PeerUp{kRight, 2, 42});
  const Effects begun = node.settle(kRight);
  REQUIRE(find<RunLocalStep>(begun));
  CHECK(find<RunLocalStep>(begun)->round == 42);
  CHECK(find<Send>(begun)->parcel.round == 42);
  CHECK(node.progress().rounds_done == 42);
}

// The neighbors took the edge up after they had begun round 42, so they speak from 43 on.
TEST_CASE("core: a node that comes back does not wait for a round that its neighbors left") {
  ScriptedNode node({.rounds = 100});
  node.give(Start{});
  for (const NodeId peer : {kLeft, kRight}) {
    node.give(PeerUp{peer, 2, 42});
    node.settle(peer);
  }
  node.step();
  CHECK(node.receive(kLeft, 43).empty());
  const Effects begun = node.receive(kRight, 43);
  REQUIRE(find<RunLocalStep>(begun));
  CHECK(find<RunLocalStep>(begun)->round == 43);
  CHECK(find<RoundDone>(node.step()));  // the messages of 43 are here already
  CHECK(node.script().steps == std::vector<Round>{42, 43});
}

TEST_CASE("core: a message from further on takes the node there when its round is over") {
  ScriptedNode node({.rounds = 100});
  node.connect();
  node.step();
  node.receive(kLeft, 0);
  const Effects begun = node.receive(kRight, 9);
  REQUIRE(find<RunLocalStep>(begun));
  CHECK(find<RunLocalStep>(begun)->round == 9);
}

TEST_CASE("core: no neighbor takes a node beyond its last round") {
  ScriptedNode node({.rounds = 10});
  node.give(Start{});
  node.give(PeerUp{kLeft, 2, 10});
  node.settle(kLeft);
  node.give(PeerUp{kRight, 2, 10});
  const Effects begun = node.settle(kRight);
  REQUIRE(find<RunLocalStep>(begun));
  CHECK(find<RunLocalStep>(begun)->round == 9);
}

// One wrong count would else end the run of the whole flock.
TEST_CASE("core: who says that it is beyond the last round is refused, and nobody goes there") {
  const std::string why =
      "it says that it is in round 1099511627776 of a run that has 10 here; give both the same "
      "[run] rounds";
  constexpr Round kFar = Round{1} << 40;
  ScriptedNode node({.rounds = 10});
  node.give(Start{});
  const Effects up = node.give(PeerUp{kLeft, 1, kFar});
  REQUIRE(find<Reject>(up));
  CHECK(find<Reject>(up)->why == why);
  node.give(PeerDown{kLeft});
  node.connect();
  node.step();
  const Effects heard = node.receive(kRight, kFar);
  REQUIRE(find<Reject>(heard));
  CHECK(find<Reject>(heard)->why == why);
  node.give(PeerDown{kRight});
  node.receive(kLeft, 0);
  CHECK(node.progress().rounds_done <= 1);
}

TEST_CASE("core: a neighbor that comes back from the start does not take the flock back") {
  ScriptedNode node;
  node.connect();
  for (Round round = 0; round < 5; ++round) node.finish_round(round);
  node.give(PeerDown{kRight});
  node.forget(kRight);
  node.give(PeerUp{kRight, 2, 0});
  node.settle(kRight);
  node.step();
  const Effects begun = node.receive(kLeft, 5);
  REQUIRE(find<RunLocalStep>(begun));
  CHECK(find<RunLocalStep>(begun)->round == 6);
  CHECK(count<Send>(begun) == 2);
}

// It sent its message of this round, died, came back at once, and begins where we are.
TEST_CASE("core: a neighbor that comes back may say the current round again") {
  ScriptedNode node;
  node.connect();
  node.step();
  node.receive(kRight, 0);
  node.give(PeerDown{kRight});
  node.forget(kRight);
  node.give(PeerUp{kRight, 2, 0});
  CHECK_FALSE(node.core().algorithm().edges()[1].up);
  node.settle(kRight);
  CHECK(node.core().algorithm().edges()[1].up);
  CHECK(node.receive(kRight, 0).empty());  // no Reject
  const Effects begun = node.receive(kLeft, 0);
  CHECK(count<Send>(begun) == 2);
  CHECK(find<RunLocalStep>(begun)->round == 1);
}

TEST_CASE("core: an edge whose new epoch comes without the end of the old one holds nothing up") {
  ScriptedNode node;
  node.connect();
  node.step();
  node.receive(kLeft, 0);
  CHECK(find<RoundDone>(node.give(PeerUp{kRight, 2, 0})));
}
