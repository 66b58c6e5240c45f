#include "gossip/async_gossip.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "gossip/d_psgd.h"
#include "tests/gossip/problems.h"
#include "tests/support/far_end.h"
#include "tests/support/variants.h"

using namespace starling;
using namespace starling::gossip;
using namespace std::chrono_literals;
using starling::test::body_of, starling::test::kLeft, starling::test::kRight, starling::test::kSelf;
using starling::test::count;
using starling::test::find;

namespace {

using Asks = AsyncOptions::Asks;

// Node 1 of the path 0-1-2 with a model of one number and powers of two as weights.
class Node {
 public:
  explicit Node(AsyncOptions options = {}, double weight = 0.25)
      : node_(std::make_unique<AsyncGossip>(method(), edges(weight), with_self(options))) {
    give(PeerUp{kLeft, 1});
    give(PeerUp{kRight, 1});
  }

  Outbox give(const Event& event, Time now = 0s) {
    return neighbors_.give<PeerUp, Outbox>(event,
                                           [&](Outbox& out) { node_->handle(event, now, out); });
  }
  // The neighbor's message of its k-th exchange.
  Outbox receive(NodeId from, std::uint64_t k, float value, Time now = 0s) {
    return give(far(from).say({k, 0}, body_of(value)), now);
  }
  Outbox come_back(NodeId from, Epoch epoch) {
    give(PeerUp{from, epoch});
    return give(far(from).settlement());
  }
  Outbox finish_step(float update = 0, Time now = 0s) {
    return give(LocalStepDone{std::span(&update, 1)}, now);
  }
  Outbox step(Round round, float update = 0, Time now = 0s) {
    Outbox out = give(BeginRound{round}, now);
    Outbox more = finish_step(update, now);
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  test::FarEnd& far(NodeId id) { return neighbors_.at(id); }
  float x() const { return node_->model()[0]; }
  std::vector<NodeId> waiting_for() const { return node_->waiting_for(); }

 private:
  static std::vector<EdgeEnd> edges(double weight) {
    return {{kSelf, kLeft, {weight}}, {kSelf, kRight, {weight}}};
  }
  static std::unique_ptr<Method> method() {
    const float start = 0;
    return make_d_psgd(std::span(&start, 1));
  }
  static AsyncOptions with_self(AsyncOptions options) {
    options.self = kSelf;
    options.seed = 7;
    return options;
  }
  std::unique_ptr<AsyncGossip> node_;
  test::BothNeighbors neighbors_{Numbering::by_edge};
};

std::set<NodeId> receivers(const Outbox& out) {
  std::set<NodeId> all;
  for (const Action& action : out) {
    if (const auto* send = std::get_if<Send>(&action)) all.insert(send->to);
  }
  return all;
}

}  // namespace

TEST_CASE("async gossip: a round ends though no neighbor has answered") {
  Node node;
  const Outbox out = node.step(0, -1);
  CHECK(receivers(out) == std::set{kLeft, kRight});
  CHECK(find<RunLocalStep>(out)->round == 0);
  CHECK(find<RoundFinished>(out));
  CHECK(node.x() == 1);
}

TEST_CASE("async gossip: an answer is mixed between two steps, with both messages as sent") {
  Node node;
  node.give(BeginRound{0});  // sends 0
  node.receive(kLeft, 0, 8);
  CHECK(node.x() == 0);  // a step is being computed on it
  node.finish_step(-1);
  CHECK(node.x() == 1 + 0.25f * (8 - 0));
  node.receive(kRight, 0, 4);  // between two rounds
  CHECK(node.x() == 3);
  node.give(BeginRound{1});
  CHECK(node.x() == 3 + 0.25f * (4 - 0));
}

TEST_CASE("async gossip: an edge has one exchange under way") {
  Node node;
  node.step(0);
  node.receive(kLeft, 0, 8);
  CHECK(receivers(node.step(1)) == std::set{kLeft});
}

// node::Core goes where a message says.
TEST_CASE("async gossip: a neighbor is told to leave out the rounds in which it would be stale") {
  Node node({.staleness = 4, .rounds = 12});
  CHECK(find<Send>(node.step(3))->parcel.round == 0);
  node.receive(kLeft, 0, 8);
  CHECK(find<Send>(node.step(10))->parcel.round == 6);
  node.receive(kLeft, 1, 8);
  CHECK(find<Send>(node.step(11))->parcel.round == 11);
}

TEST_CASE("async gossip: the second message of a quick neighbor counts with our second") {
  Node node;
  node.give(BeginRound{0});
  node.receive(kLeft, 0, 8);
  node.receive(kLeft, 1, 10);  // it has our first one
  node.finish_step();
  CHECK(node.x() == 2);
  CHECK(receivers(node.give(BeginRound{1})) == std::set{kLeft});
  CHECK(node.x() == 2 + 0.25f * (10 - 2));
}

TEST_CASE("async gossip: a node waits for who has owed an answer for more than staleness rounds") {
  Node node({.staleness = 2});
  CHECK(find<RoundFinished>(node.step(0)));
  node.receive(kLeft, 0, 0);
  CHECK(find<RoundFinished>(node.step(1)));
  const Outbox out = node.step(2, 0, 10s);
  CHECK_FALSE(find<RoundFinished>(out));
  CHECK(node.waiting_for() == std::vector{kRight});
  CHECK(find<ArmTimer>(out)->after == ArrivalEstimate::kFirstDeadline);
  CHECK(find<RoundFinished>(node.receive(kRight, 0, 4, 11s)));
  CHECK(node.x() == 1);
}

TEST_CASE("async gossip: a neighbor later than its deadline is left out, and it is said") {
  Node node({.staleness = 1});
  node.step(0);
  node.receive(kLeft, 0, 0, 2s);
  node.receive(kRight, 0, 0, 2s);
  node.step(1, 0, 3s);
  node.receive(kLeft, 1, 0, 3s);
  const Outbox waits = node.step(2, 0, 4s);
  // Usually it takes 2 s: 3 s + 4 · (2 s + 4 · 1 s).
  REQUIRE(find<ArmTimer>(waits));
  CHECK(find<ArmTimer>(waits)->after == 27s);
  const Outbox late = node.give(TimerFired{find<ArmTimer>(waits)->timer}, 31s);
  REQUIRE(find<LeaveOut>(late));
  CHECK(find<LeaveOut>(late)->peer == kRight);
  CHECK(find<LeaveOut>(late)->why ==
        "nothing came for exchange 1 within 27.0 s (usual answer 2.000 s)");
  CHECK(find<RoundFinished>(late));
}

TEST_CASE("async gossip: a node that waits answers at once") {
  Node node({.staleness = 1});
  node.step(0, -8);
  node.receive(kLeft, 0, 0);
  node.receive(kLeft, 1, 0);
  node.step(1);  // x = 8 + (0 - 0) / 4 + (0 - 8) / 4
  CHECK(node.waiting_for() == std::vector{kRight});
  const Outbox out = node.receive(kLeft, 2, 4);
  REQUIRE(find<Send>(out));
  CHECK(find<Send>(out)->to == kLeft);
  CHECK(find<Send>(out)->parcel.body.floats()[0] == 6);
  CHECK(node.x() == 6 + 0.25f * (4 - 6));
  CHECK_FALSE(find<RoundFinished>(out));
}

TEST_CASE("async gossip: the last round ends when nothing is under way any more") {
  Node node({.rounds = 2});
  CHECK(find<RoundFinished>(node.step(0)));
  node.receive(kLeft, 0, 4);
  CHECK_FALSE(find<RoundFinished>(node.step(1)));
  CHECK(node.waiting_for() == std::vector{kLeft, kRight});
  CHECK_FALSE(find<RoundFinished>(node.receive(kLeft, 1, 1)));
  CHECK(find<RoundFinished>(node.receive(kRight, 0, 4)));
  CHECK(node.x() == 1 + 0 + 1);
}

TEST_CASE("async gossip: the last message of a neighbor that finished still counts") {
  Node node;
  node.give(BeginRound{0});
  node.receive(kRight, 0, 8);
  node.give(PeerDown{kRight});
  node.finish_step();
  CHECK(node.x() == 2);
  CHECK(receivers(node.step(1)).empty());
}

TEST_CASE("async gossip: a message does not count when ours was never sent") {
  Node node;
  node.step(0);
  node.receive(kRight, 0, 0);
  node.give(PeerDown{kRight});
  node.step(1);
  node.come_back(kRight, 2);
  node.receive(kRight, 1, 8);
  node.give(PeerDown{kRight});
  node.step(2);
  CHECK(node.x() == 0);
}

// The neighbor has counted the exchange, and has nothing to add to it when the link is back.
TEST_CASE("async gossip: an answer that was lost is made up for on the next link") {
  Node node;
  node.step(0, -4);
  const Received lost = node.far(kRight).say({0, 0}, body_of(8));
  node.give(PeerDown{kRight});
  node.step(1);
  CHECK(node.x() == 4);
  node.far(kRight).settle_pending();  // our message had arrived
  node.come_back(kRight, 2);
  node.give(Received{kRight, {.epoch = 2, .base = lost.parcel.base, .body = body_of(8)}});
  CHECK(node.x() == 4);
  const Outbox out = node.step(2);
  CHECK(node.x() == 4 + 0.25f * (8 - 0));
  CHECK(receivers(out) == std::set{kRight});
}

// It may send before this end has come to a round in which the edge begins.
TEST_CASE("async gossip: a neighbor that starts anew is heard from its first exchange on") {
  Node node;
  node.step(0);
  node.receive(kRight, 0, 0);
  node.step(1);
  node.give(PeerDown{kRight});
  node.far(kRight).ledger() = EdgeLedger({kRight, kSelf, 0});
  node.come_back(kRight, 2);
  node.give(Received{kRight, {.epoch = 2, .base = 3, .body = body_of(8)}});
  const Outbox out = node.give(BeginRound{2});
  REQUIRE(find<Reject>(out));
  CHECK(find<Reject>(out)->why.starts_with("exchange 0 is a difference to 0000000000000003"));
}

TEST_CASE("async gossip: a message that no correct neighbor sends closes the edge, not the node") {
  const auto refusal = [](const Event& event) {
    Node node;
    node.step(0);
    Outbox out = node.give(event);
    const Outbox more = node.step(1);
    out.insert(out.end(), more.begin(), more.end());
    REQUIRE(find<Reject>(out));
    CHECK(find<Reject>(out)->peer == kRight);
    CHECK(find<RoundFinished>(out));
    CHECK(node.x() == 0);
    return find<Reject>(out)->why;
  };
  const auto of = [](Parcel parcel) {
    parcel.epoch = 1;
    return Received{kRight, std::move(parcel)};
  };
  CHECK(refusal(of({.exchange = 1, .body = body_of(1)})) ==
        "round 0 exchange 1: expected one below 1");
  CHECK(refusal(of({.body = body_of(INFINITY)})) ==
        "round 0 exchange 0: body holds inf at index 0, expected finite values");
  CHECK(refusal(of({.base = 3, .body = body_of(1)}))
            .starts_with("exchange 0 is a difference to 0000000000000003, expected "));
  CHECK(refusal(of({.type = FrameType::joining})) ==
        "a joining, which asynchronous gossip has not");
}

TEST_CASE("async gossip: more messages than answers close the edge") {
  Node node;
  node.give(BeginRound{0});
  node.receive(kRight, 0, 1);
  node.receive(kRight, 1, 1);
  CHECK(find<Reject>(node.receive(kRight, 2, 1))->why ==
        "3 messages without ours, expected at most 2");
  Node idle;
  idle.receive(kRight, 0, 1);
  CHECK(find<Reject>(idle.receive(kRight, 1, 1))->why ==
        "2 messages without ours, expected at most 1");
}

// Lian et al. 2018, Algorithm 1: x_B and x_A become their mean; the one who asks takes it into the
// model that has moved on meanwhile.
TEST_CASE("ad-psgd: the one who is asked averages at once, the one who asked when it is told") {
  Node node({.asks = Asks::one}, 0.5);
  const NodeId asked = *receivers(node.step(0, -4)).begin();
  const NodeId other = asked == kLeft ? kRight : kLeft;
  node.receive(other, 0, 8);
  const Outbox answer = node.step(1);
  REQUIRE(receivers(answer) == std::set{other});
  CHECK(find<Send>(answer)->parcel.body.floats()[0] == 4);
  CHECK(node.x() == (4 + 8) / 2.0f);
  node.receive(asked, 0, 10);
  node.step(2);
  CHECK(node.x() == 6 + 0.5f * (10 - 0));
}

// Both at once would make it the sum of the two less itself.
TEST_CASE("ad-psgd: of two who ask the second averages with what the first has left") {
  Node node({.asks = Asks::one}, 0.5);
  node.receive(kLeft, 0, 8);
  node.receive(kRight, 0, 0);
  const Outbox out = node.give(BeginRound{0});
  CHECK(node.x() == 2);
  std::vector<float> sent;
  for (const Action& action : out) {
    if (const auto* send = std::get_if<Send>(&action)) {
      sent.push_back(send->parcel.body.floats()[0]);
    }
  }
  CHECK(sent == std::vector<float>{0, 4, 2});  // two answers, and its own question
}

TEST_CASE("ad-psgd: a node asks one neighbor at a time, and in the long run all") {
  Node node({.asks = Asks::one, .staleness = 100}, 0.5);
  const Outbox first = node.step(0);
  REQUIRE(receivers(first).size() == 1);
  CHECK(receivers(node.step(1)).empty());
  std::map<NodeId, std::uint64_t> asked;
  NodeId open = *receivers(first).begin();
  for (Round round = 2; round < 202; ++round) {
    node.receive(open, asked[open]++, 0);
    const auto next = receivers(node.step(round));
    REQUIRE(next.size() == 1);
    open = *next.begin();
  }
  CHECK(asked[kLeft] + asked[kRight] == 200);
  CHECK(asked[kLeft] > 70);
  CHECK(asked[kRight] > 70);
}

// Lian et al. 2018, assumption 3: the expected mixing matrix of the pairs has a spectral gap. The
// gossip specification, §7: a symmetric average of two preserves the mean.
TEST_CASE("ad-psgd: the ring agrees on the mean of the start models") {
  const std::size_t n = 8, d = 12;
  TensorLayout layout;
  layout.add("x", {d});
  std::vector<std::vector<float>> starts(n, std::vector<float>(d));
  for (std::size_t i = 0; i < n; ++i) Random(3, Stream::test, {i}).fill_normal(starts[i]);
  test::Lockstep flock(test::options_of(AlgorithmKind::ad_psgd), test::ring(n), layout, starts);
  const std::vector<double> before = flock.mean();
  const double apart = flock.consensus_distance(1);
  flock.mix(400);
  CHECK(flock.consensus_distance(1) < 1e-5 * apart);
  // Less what is under way: a pair of which one has counted and the other has not.
  const std::vector<double> after = flock.mean();
  for (std::size_t k = 0; k < d; ++k) CHECK(std::abs(after[k] - before[k]) < 1e-5);
}
