// What a node of a mesh says of a neighbor that is away, and hears of it, event by event.
#include <doctest/doctest.h>

#include "protocol/frame.h"
#include "tests/node/scripted_node.h"

using namespace starling;
using namespace starling::node;
using namespace starling::node::test;
using namespace std::chrono_literals;
using starling::test::count;
using starling::test::find;

namespace {

// What was said to that neighbor of whom it misses; -1: nothing.
int said(const Effects& effects, NodeId to, NodeId about) {
  for (const Effect& effect : effects) {
    const auto* send = std::get_if<Send>(&effect);
    if (!send || send->to != to || send->parcel.type != FrameType::missed) continue;
    if (node_id(send->parcel.exchange) == about) return static_cast<int>(send->parcel.base);
  }
  return -1;
}

Received missed(NodeId from, NodeId about, Epoch epoch = 1) {
  return {from,
          {.epoch = epoch,
           .type = FrameType::missed,
           .exchange = static_cast<std::uint32_t>(index_of(about)),
           .base = 1}};
}

// Three nodes, of which the one on the right goes at 1 s.
struct Mesh {
  Mesh() {
    node.connect();
    node.finish_round(0);
    node.give(PeerDown{kRight}, 1s);
  }
  // With the one on the left; the effects of its end, with which the next one begins.
  Effects finish_round(Time now) {
    node.step({}, now);
    return node.receive(kLeft, round++, now);
  }

  ScriptedNode node{CoreOptions{.rounds = 1000, .absent_after = 10s, .flock = 3}};
  Round round = 1;
};

}  // namespace

TEST_CASE("core: a neighbor that was not seen for long is missed, and away when all say so") {
  Mesh mesh;
  CHECK(said(mesh.finish_round(5s), kLeft, kRight) == -1);
  const Effects out = mesh.finish_round(11s);
  CHECK(said(out, kLeft, kRight) == 1);
  CHECK_FALSE(find<NodesAway>(out));
  mesh.node.give(missed(kLeft, kRight));
  const Effects agreed = mesh.finish_round(12s);
  CHECK(said(agreed, kLeft, kRight) == -1);  // it was said
  REQUIRE(find<NodesAway>(agreed));
  CHECK(find<NodesAway>(agreed)->nodes == std::vector{kRight});
  CHECK(find<NodesAway>(mesh.finish_round(13s)));  // until there is a core without it
}

TEST_CASE("core: a neighbor that has said that it leaves is missed at the end of the round") {
  Mesh mesh;
  mesh.node.give(PeerLeft{kRight}, 1s);
  CHECK(said(mesh.finish_round(2s), kLeft, kRight) == 1);
  mesh.node.give(missed(kLeft, kRight));
  CHECK(find<NodesAway>(mesh.finish_round(3s)));
}

TEST_CASE("core: a neighbor that is back is missed no more, and hears nothing of itself") {
  Mesh mesh;
  mesh.finish_round(11s);
  mesh.node.give(missed(kLeft, kRight));
  CHECK(said(mesh.node.give(PeerUp{kRight, 2, 2}, 11s), kRight, kRight) == -1);
  const Effects out = mesh.finish_round(12s);
  CHECK(said(out, kLeft, kRight) == 0);
  CHECK(said(out, kRight, kRight) == -1);
  CHECK_FALSE(find<NodesAway>(out));
}

TEST_CASE("core: who comes back hears whom this node misses") {
  Mesh mesh;
  mesh.finish_round(11s);
  mesh.node.give(PeerDown{kLeft}, 11s);
  CHECK(said(mesh.node.give(PeerUp{kLeft, 2, 3}, 11s), kLeft, kRight) == 1);
}

// A model may take longer to fetch than a node is waited for.
TEST_CASE("core: a neighbor that has a link and says nothing is not missed") {
  Mesh mesh;
  mesh.node.give(PeerUp{kRight, 2, 2}, 5s);
  CHECK(said(mesh.finish_round(1h), kLeft, kRight) == -1);
}

TEST_CASE("core: a word about whom nobody can miss costs the link, as any does outside a mesh") {
  Mesh mesh;
  CHECK(count<Reject>(mesh.node.give(missed(kLeft, kRight, 7))) == 0);  // of another link
  const Effects out = mesh.node.give(missed(kLeft, kSelf));
  REQUIRE(find<Reject>(out));
  CHECK(find<Reject>(out)->why ==
        "it says of node 1 whether it misses it, expected another node that takes part");
  ScriptedNode node;
  node.connect();
  const Effects elsewhere = node.give(missed(kLeft, kRight));
  REQUIRE(find<Reject>(elsewhere));
  CHECK(find<Reject>(elsewhere)->why == "it says whom it misses, and this is no mesh");
}
