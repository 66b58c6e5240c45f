// Who joins whom, event by event: the node that wants a model, and the one that it comes to.
#include <doctest/doctest.h>

#include <cstring>

#include "protocol/frame.h"
#include "tests/node/scripted_node.h"

using namespace starling;
using namespace starling::node;
using namespace starling::node::test;
using namespace std::chrono_literals;
using gossip::Parcel;
using starling::test::count;
using starling::test::find;

namespace {

const CoreOptions kJoins{.rounds = 1000, .fetches_model = true};

Parcel snapshot(Epoch epoch, float value, Round round) {
  ByteBlock body(kSnapshotBodyBytes);
  std::memcpy(body.bytes().data(), &round, sizeof round);
  return {.epoch = epoch,
          .type = FrameType::snapshot,
          .round = round,
          .base = snapshot_name(std::span(&value, 1)),
          .body = std::move(body)};
}

Parcel piece(Epoch epoch, float name_of, SharedBytes body) {
  return {.epoch = epoch,
          .type = FrameType::piece,
          .round = 412,
          .base = snapshot_name(std::span(&name_of, 1)),
          .body = std::move(body)};
}

const Parcel* sent(const Effects& effects, FrameType type, NodeId to) {
  for (const Effect& effect : effects) {
    const auto* send = std::get_if<Send>(&effect);
    if (send && send->to == to && send->parcel.type == type) return &send->parcel;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("join: the edges of a node that fetches settle when the model is here") {
  ScriptedNode node(kJoins);
  node.give(Start{});
  Effects out = node.give(PeerUp{kLeft, 2, 412, 0});
  const Parcel* ask = sent(out, FrameType::ask, kLeft);
  REQUIRE(ask);
  CHECK(ask->epoch == 2);
  CHECK(ask->base == 0);
  CHECK_FALSE(sent(out, FrameType::settlement, kLeft));
  CHECK(node.phase() == Phase::fetching);
  CHECK_FALSE(sent(node.give(PeerUp{kRight, 2, 412, 0}), FrameType::settlement, kRight));
  CHECK_FALSE(sent(node.settle(kRight), FrameType::settlement, kRight));  // what it says is kept

  node.give(Received{kLeft, snapshot(2, 2.5f, 400)});
  out = node.give(Received{kLeft, piece(2, 2.5f, body_of(2.5f))}, 200ms);
  REQUIRE(find<ModelFetched>(out));
  CHECK(describe(*find<ModelFetched>(out), "n0") ==
        "fetched the model of round 400 from n0: 1 KB in 1 piece, 0.2 s");
  CHECK(node.core().model()[0] == 2.5f);
  CHECK(sent(out, FrameType::settlement, kLeft));
  CHECK(sent(out, FrameType::settlement, kRight));
  CHECK(node.phase() == Phase::waiting);
  out = node.settle(kLeft);
  REQUIRE(find<RunLocalStep>(out));
  CHECK(find<RunLocalStep>(out)->round == 412);
}

TEST_CASE("join: a model that is not what was announced leaves the node's own as it is") {
  ScriptedNode node(kJoins);
  node.give(Start{});
  node.give(PeerUp{kLeft, 2, 412, 0});
  node.give(PeerUp{kRight, 2, 412, 0});
  node.give(Received{kLeft, snapshot(2, 2.5f, 400)});
  const Effects out = node.give(Received{kLeft, piece(2, 2.5f, body_of(2.75f))});
  REQUIRE(find<Reject>(out));
  CHECK(find<Reject>(out)->peer == kLeft);
  CHECK(find<Reject>(out)->why.starts_with("the model's hash is "));
  CHECK(sent(out, FrameType::ask, kRight));
  CHECK(node.core().model()[0] == 0);
}

TEST_CASE("join: an answer of a link that is gone, or that nobody asked for") {
  ScriptedNode node(kJoins);
  node.give(Start{});
  node.give(PeerUp{kLeft, 2, 412, 0});
  node.give(PeerDown{kLeft});
  node.give(PeerUp{kLeft, 3, 412, 0});
  CHECK(node.give(Received{kLeft, snapshot(2, 1, 400)}).empty());
  CHECK(find<Reject>(node.give(Received{kRight, snapshot(2, 1, 400)})) == nullptr);  // no link

  ScriptedNode other;
  other.connect();
  const Effects out = other.give(Received{kLeft, piece(1, 1, body_of(1))});
  REQUIRE(find<Reject>(out));
  CHECK(find<Reject>(out)->why == "a part of a model that was not asked for");
}

TEST_CASE(
    "join: nobody gives, and the node waits for its neighbors as one without neighbors ahead") {
  ScriptedNode node(kJoins);
  node.give(Start{}, 1s);
  node.give(PeerUp{kLeft, 2, 412, 0}, 1s);
  node.give(PeerDown{kLeft}, 2s);
  Effects out = node.give(TimerFired{0}, 7s);
  REQUIRE(find<FetchGivenUp>(out));
  CHECK(find<FetchGivenUp>(out)->why == "no neighbor is there that has a model to give");
  REQUIRE(find<ArmTimer>(out));
  CHECK(find<ArmTimer>(out)->after == 24s);
  CHECK(count<RunLocalStep>(out) == 0);
  out = node.give(TimerFired{0}, 31s);
  REQUIRE(find<RunLocalStep>(out));
  CHECK(find<RunLocalStep>(out)->round == 412);
}

TEST_CASE("join: a node that has begun, or whose neighbors have not, fetches nothing") {
  ScriptedNode begun(kJoins);
  begun.connect();
  begun.give(PeerDown{kRight});
  CHECK_FALSE(sent(begun.give(PeerUp{kRight, 2, 412, 0}), FrameType::ask, kRight));
  ScriptedNode early(kJoins);
  early.give(Start{});
  CHECK_FALSE(sent(early.give(PeerUp{kRight, 1, 0, 0}), FrameType::ask, kRight));
}

TEST_CASE(
    "join: a newcomer takes part when it has said something, and nobody waits for it before") {
  ScriptedNode node;
  node.give(Start{});
  node.give(PeerUp{kLeft, 1, 0, 0});
  node.give(TimerFired{0});  // kRight was not there
  node.step();
  node.receive(kLeft, 0);
  CHECK(node.progress().rounds_done == 1);
  CHECK_FALSE(find<EdgeSettled>(node.give(PeerUp{kRight, 1, 0, 1})));
  node.step();
  node.receive(kLeft, 1);
  CHECK(node.progress().rounds_done == 2);
  // In round 2 it says something; from round 3 on it takes part.
  Effects out = node.receive(kRight, 2);
  const Parcel* joining = sent(out, FrameType::joining, kRight);
  REQUIRE(joining);
  CHECK(joining->round == 3);
  node.step();
  out = node.receive(kLeft, 2);
  CHECK(sent(out, FrameType::exchange, kRight));
}

TEST_CASE("join: a node gives its model at the end of its round, and one that has none says so") {
  ScriptedNode node;
  node.give(Start{});
  Effects out = node.give(PeerUp{kRight, 1, 0, 0});
  out = node.give(Received{kRight, {.epoch = 1, .type = FrameType::ask}});
  REQUIRE(sent(out, FrameType::snapshot, kRight));
  CHECK(sent(out, FrameType::snapshot, kRight)->base == 0);
  node.give(PeerUp{kLeft, 1, 0, 0});
  node.step();
  CHECK(node.give(Received{kRight, {.epoch = 1, .type = FrameType::ask}}).empty());
  node.receive(kLeft, 0);
  out = node.receive(kRight, 0);  // the model is -1 now
  const Parcel* given = sent(out, FrameType::snapshot, kRight);
  REQUIRE(given);
  const float model = -1;
  CHECK(given->base == snapshot_name(std::span(&model, 1)));
  CHECK(given->round == 1);
  out = node.give(Received{
      kRight, {.epoch = 1, .type = FrameType::ask, .base = snapshot_name(std::span(&model, 1))}});
  REQUIRE(sent(out, FrameType::piece, kRight));
  CHECK(sent(out, FrameType::piece, kRight)->body.floats()[0] == -1);
  out = node.give(Received{kRight,
                           {.epoch = 1,
                            .type = FrameType::ask,
                            .exchange = 1,
                            .base = snapshot_name(std::span(&model, 1))}});
  REQUIRE(find<Reject>(out));
  CHECK(find<Reject>(out)->why == "an ask for piece 1, expected one below 1");
}
