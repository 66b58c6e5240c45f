#include "gossip/rounds.h"

#include <doctest/doctest.h>

#include <cmath>

#include "gossip/d_psgd.h"
#include "tests/support/far_end.h"

using namespace starling;
using namespace starling::gossip;
using namespace std::chrono_literals;
using test::body_of, test::kLeft, test::kRight, test::kSelf;

namespace {

// Node 1 of the path 0-1-2 with a model of one number, weights 1/4 to make the sums exact.
class Node {
 public:
  explicit Node(bool overlap = true)
      : rounds_(std::make_unique<Rounds>(method(), edges(), overlap)) {}

  Outbox give(const Event& event, Time now = 0s) {
    return neighbors_.give<PeerUp, Outbox>(event,
                                           [&](Outbox& out) { rounds_->handle(event, now, out); });
  }
  Outbox receive(NodeId from, Round round, float value, Time now = 0s) {
    return give(far(from).say({round, 0}, body_of(value)), now);
  }
  // The neighbor is up again, and says where the edge stands.
  Outbox come_back(NodeId from, Epoch epoch) {
    give(PeerUp{from, epoch});
    return give(far(from).settlement());
  }
  test::FarEnd& far(NodeId id) { return neighbors_.at(id); }
  // Begins the round and answers its local step with `update`.
  Outbox step(Round round, float update = 0, Time now = 0s) {
    Outbox out = give(BeginRound{round}, now);
    *update_ = update;
    Outbox more = give(LocalStepDone{std::span(update_.get(), 1)}, now);
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  float x() const { return rounds_->model()[0]; }
  const Rounds& rounds() const { return *rounds_; }

 private:
  static std::vector<EdgeEnd> edges() { return {{kSelf, kLeft, {0.25}}, {kSelf, kRight, {0.25}}}; }
  static std::unique_ptr<Method> method() {
    const float start = 0;
    return make_d_psgd(std::span(&start, 1));
  }
  std::unique_ptr<Rounds> rounds_;
  std::unique_ptr<float> update_ =
      std::make_unique<float>();  // it has to stay until the round ends
  test::BothNeighbors neighbors_;
};

Node connected(bool overlap = true) {
  Node node(overlap);
  node.give(PeerUp{kLeft, 1});
  node.give(PeerUp{kRight, 1});
  return node;
}

template <class T>
const T* find(const Outbox& out) {
  for (const Action& action : out) {
    if (const T* found = std::get_if<T>(&action)) return found;
  }
  return nullptr;
}

template <class T>
std::size_t count(const Outbox& out) {
  std::size_t n = 0;
  for (const Action& action : out) n += std::holds_alternative<T>(action);
  return n;
}

}  // namespace

TEST_CASE("rounds: a round ends when both neighbors' messages and the local step are there") {
  Node node = connected();
  const Outbox begun = node.give(BeginRound{0});
  CHECK(count<Send>(begun) == 2);
  CHECK(find<RunLocalStep>(begun)->round == 0);
  CHECK_FALSE(find<RoundFinished>(node.receive(kLeft, 0, 4)));
  CHECK_FALSE(find<RoundFinished>(node.receive(kRight, 0, 8)));
  const float update = 1;
  CHECK(find<RoundFinished>(node.give(LocalStepDone{std::span(&update, 1)})));
  CHECK(node.x() == 0.25f * 4 + 0.25f * 8 - 1);
}

TEST_CASE("rounds: without overlap nothing is sent before the local step") {
  Node node = connected(false);
  CHECK(count<Send>(node.give(BeginRound{0})) == 0);
  const float update = -4;
  const Outbox out = node.give(LocalStepDone{std::span(&update, 1)});
  REQUIRE(count<Send>(out) == 2);
  CHECK(find<Send>(out)->parcel.body.floats()[0] == 4);
}

TEST_CASE("rounds: the order of arrival does not change a bit") {
  const auto run = [](bool left_first) {
    Node node = connected();
    node.step(0);
    for (const NodeId from : left_first ? std::vector{kLeft, kRight} : std::vector{kRight, kLeft}) {
      node.receive(from, 0, from == kLeft ? 0.1f : 1e8f);
    }
    return node.x();
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("rounds: a neighbor one round ahead waits in the inbox") {
  Node node = connected();
  node.step(0);
  node.receive(kLeft, 0, 4);
  node.receive(kLeft, 1, 100);
  CHECK(find<RoundFinished>(node.receive(kRight, 0, 4)));
  CHECK(node.x() == 2);
  node.step(1);
  CHECK(find<RoundFinished>(node.receive(kRight, 1, 2)));
  CHECK(node.x() == 2 + 0.25f * 98);
}

TEST_CASE("rounds: a message that counts is not kept where the neighbor is ahead already") {
  Node node = connected();
  node.step(0);
  node.receive(kLeft, 0, 4);
  node.receive(kLeft, 1, 100);
  node.receive(kRight, 0, 4);
  CHECK_FALSE(node.rounds().edges()[0].ledger.last_kept);
  CHECK(node.rounds().edges()[1].ledger.last_kept);
}

TEST_CASE("rounds: a dead neighbor's weight stays with this node and training goes on") {
  Node node = connected();
  node.step(0);
  node.receive(kLeft, 0, 4);
  CHECK(node.rounds().waiting_for() == std::vector{kRight});
  CHECK(find<RoundFinished>(node.give(PeerDown{kRight})));
  CHECK(node.x() == 1);
  const Outbox next = node.step(1);
  CHECK(count<Send>(next) == 1);
  CHECK(find<Send>(next)->to == kLeft);
}

// Its last message is here and ours is under way: it has counted ours before it left.
TEST_CASE("rounds: the last message of a neighbor that finished still counts") {
  Node node = connected();
  node.step(0);
  node.receive(kRight, 0, 8);
  node.give(PeerDown{kRight});
  CHECK(find<RoundFinished>(node.receive(kLeft, 0, 4)));
  CHECK(node.x() == 3);
  CHECK(count<Send>(node.step(1)) == 1);
}

TEST_CASE("rounds: a message does not count when ours was never sent") {
  Node node = connected(false);
  node.give(BeginRound{0});
  node.receive(kRight, 0, 8);
  node.give(PeerDown{kRight});
  const float update = 0;
  const Outbox out = node.give(LocalStepDone{std::span(&update, 1)});
  CHECK(count<Send>(out) == 1);
  node.receive(kLeft, 0, 4);
  CHECK(node.x() == 1);
}

TEST_CASE("rounds: a neighbor later than its deadline is left out, and says so") {
  Node node = connected();
  const Outbox waiting = node.step(0, 0, 10s);
  const ArmTimer* timer = find<ArmTimer>(waiting);
  REQUIRE(timer);
  CHECK(timer->after == ArrivalEstimate::kFirstDeadline);
  node.receive(kLeft, 0, 4, 11s);
  const Outbox late = node.give(TimerFired{timer->timer}, 40s);
  const LeaveOut* left_out = find<LeaveOut>(late);
  REQUIRE(left_out);
  CHECK(left_out->peer == kRight);
  CHECK(left_out->why == "nothing came for round 0 exchange 0 within 30.0 s (usual wait 0.000 s)");
  CHECK(find<RoundFinished>(late));
  CHECK(node.x() == 1);
}

TEST_CASE("rounds: the deadline follows what was observed") {
  Node node = connected();
  for (Round round = 0; round < 50; ++round) {
    const Time begin = round * 10s;
    node.step(round, 0, begin);
    node.receive(kLeft, round, 0, begin);
    node.receive(kRight, round, 0, begin + 2s);
  }
  const Outbox out = node.step(50, 0, 500s);
  // The left one never made us wait, so its deadline is the floor; the right one has 3 s + 4 · 2 s.
  CHECK(seconds(find<ArmTimer>(out)->after) == doctest::Approx(3).epsilon(0.01));
  node.receive(kLeft, 50, 0, 500s);
  const Outbox fired = node.give(TimerFired{find<ArmTimer>(out)->timer}, 503100ms);
  CHECK_FALSE(find<LeaveOut>(fired));
  CHECK(seconds(find<ArmTimer>(fired)->after) == doctest::Approx(11 - 3.1).epsilon(0.02));
}

TEST_CASE("rounds: a neighbor that was left out once is given more time when it is back") {
  Node node = connected();
  Round round = 0;
  Epoch epoch = 1;
  Time now = 0s;
  const auto quick_rounds = [&](int count) {
    for (int i = 0; i < count; ++i, ++round) {
      node.step(round, 0, now);
      node.receive(kLeft, round, 0, now);
      node.receive(kRight, round, 0, now + 100ms);
      now += 1s;
    }
  };
  quick_rounds(50);
  // Its evaluation takes 5 s, which is more than it was ever late.
  const Outbox out = node.step(round, 0, now);
  node.receive(kLeft, round, 0, now);
  const Outbox rearmed = node.give(TimerFired{find<ArmTimer>(out)->timer}, now + 3s);
  now += 4s;
  REQUIRE(find<LeaveOut>(node.give(TimerFired{find<ArmTimer>(rearmed)->timer}, now)));
  ++round;
  node.come_back(kRight, ++epoch);
  quick_rounds(49);
  const Outbox again = node.step(round, 0, now);
  const Outbox waits = node.give(TimerFired{find<ArmTimer>(again)->timer}, now + 5s);
  for (const Action& action : waits) {
    if (const auto* left = std::get_if<LeaveOut>(&action)) CHECK(left->peer != kRight);
  }
  CHECK(find<RoundFinished>(node.receive(kRight, round, 0, now + 5s)));
}

TEST_CASE("rounds: an outdated timer does nothing") {
  Node node = connected();
  const Outbox first = node.step(0);
  node.receive(kLeft, 0, 1);
  node.receive(kRight, 0, 1);
  node.step(1);
  CHECK(node.give(TimerFired{find<ArmTimer>(first)->timer}, 100s).empty());
}

TEST_CASE("rounds: a neighbor that comes back joins at the next round, in its new epoch") {
  Node node = connected();
  node.give(PeerDown{kRight});
  node.step(0);
  node.come_back(kRight, 2);
  CHECK(node.receive(kRight, 0, 100).empty());  // we are not in this exchange with it
  CHECK(find<RoundFinished>(node.receive(kLeft, 0, 4)));
  CHECK(node.x() == 1);
  const Outbox next = node.step(1);
  CHECK(count<Send>(next) == 2);
  node.receive(kLeft, 1, 1);
  CHECK(find<RoundFinished>(node.receive(kRight, 1, 5)));
  CHECK(node.x() == 2);
}

TEST_CASE("rounds: a message of a closed epoch is not heard") {
  Node node = connected();
  node.give(PeerDown{kRight});
  const Received late = node.far(kRight).say({0, 0}, body_of(100));
  node.come_back(kRight, 2);
  node.step(0);
  node.receive(kLeft, 0, 0);
  CHECK(node.give(late).empty());
  CHECK(node.rounds().waiting_for() == std::vector{kRight});
}

TEST_CASE("rounds: a neighbor that is past this round has left the edge out of it, and so do we") {
  Node node = connected();
  node.step(3);
  node.receive(kLeft, 3, 4);
  CHECK(find<RoundFinished>(node.receive(kRight, 9, 100)));
  CHECK(node.x() == 1);
  node.step(9);
  node.receive(kLeft, 9, 1);
  CHECK(node.x() == 1 + 0.25f * 99);
}

TEST_CASE("rounds: a message that no correct node sends closes the edge, not the node") {
  const auto refusal = [](const Event& event) {
    Node node = connected();
    node.step(0);
    node.receive(kLeft, 0, 4);
    const Outbox out = node.give(event);
    REQUIRE(find<Reject>(out));
    CHECK(find<RoundFinished>(out));
    CHECK(node.x() == 1);
    return find<Reject>(out)->why;
  };
  CHECK(refusal(Received{kRight, {.epoch = 1, .exchange = 1, .body = body_of(1)}}) ==
        "round 0 exchange 1: expected one below 1");
  CHECK(refusal(Received{kRight, {.epoch = 1, .body = body_of(INFINITY)}}) ==
        "round 0 exchange 0: body holds inf at index 0, expected finite values");
  CHECK(refusal(Received{kRight, {.epoch = 1}}) ==
        "round 0 exchange 0: body has 0 bytes, expected 4 (1 floats)");
}

TEST_CASE("rounds: repeated, reordered and excessive messages close the edge") {
  Node node = connected();
  node.step(5);
  node.receive(kRight, 5, 1);
  CHECK(find<Reject>(node.receive(kRight, 5, 1))->why ==
        "round 5 exchange 0 came after round 5 exchange 0");
  Node other = connected();
  other.step(5);
  other.receive(kRight, 5, 1);
  other.receive(kRight, 6, 1);
  CHECK(find<Reject>(other.receive(kRight, 7, 1))->why ==
        "3 messages ahead of round 5, expected at most 2");
}

TEST_CASE("rounds: a node without neighbors trains alone") {
  const float start = 1, update = 0.25f;
  Rounds alone(make_d_psgd(std::span(&start, 1)), {}, true);
  Outbox out;
  alone.handle(BeginRound{0}, 0s, out);
  alone.handle(LocalStepDone{std::span(&update, 1)}, 0s, out);
  CHECK(find<RoundFinished>(out));
  CHECK(alone.model()[0] == 0.75f);
}

// ---- what is kept out -----------------------------------------------------------------------

// Specification B.1 rows 7 and 8. The neighbor counts what this node will never let in: replayed,
// it would be refused again and again.
TEST_CASE("rounds: what is refused is not mixed and not asked for again, the edge begins anew") {
  for (const float wrong : {1e6f, -1e30f, INFINITY, NAN}) {
    CAPTURE(wrong);
    Node node = connected();
    node.step(0);
    const Outbox out = node.receive(kRight, 0, wrong);
    REQUIRE(find<Reject>(out));
    CHECK(find<Reject>(out)->peer == kRight);
    if (wrong == 1e6f) {
      CHECK(find<Reject>(out)->why ==
            "round 0 exchange 0: its norm is 1e+06, expected at most 100 (100 times the largest of "
            "0, what it usually sends, 0, this node's model, and 1, the root of d)");
    }
    node.give(PeerDown{kRight});
    CHECK(count<RoundFinished>(node.receive(kLeft, 0, 4)) == 1);
    CHECK(node.x() == 1);
    const EdgeStatus refused = node.rounds().edges()[1];
    CHECK(refused.malformed == (std::isfinite(wrong) ? 0 : 1));
    CHECK(refused.too_long == (std::isfinite(wrong) ? 1 : 0));
    CHECK(refused.counted == 0);

    node.far(kRight).settle_pending();
    CHECK(node.far(kRight).ledger().counted() == 1);
    const Outbox settled = node.come_back(kRight, 2);
    REQUIRE(find<EdgeSettled>(settled));
    CHECK(find<EdgeSettled>(settled)->reunion->how.starts_with("starts anew"));
    node.step(1);
    node.receive(kLeft, 1, 1);
    CHECK(count<RoundFinished>(node.receive(kRight, 1, 5)) == 1);
    CHECK(node.x() == 2);
    CHECK(node.rounds().edges()[1].counted == 1);
    CHECK(node.rounds().edges()[1].reopened == 1);
  }
}

// A neighbor that is a round ahead has counted the exchange before, and so does this end.
TEST_CASE("rounds: a refused message of the next round takes nothing from the one before") {
  Node node = connected();
  node.step(0);
  node.receive(kRight, 0, 4);
  CHECK(find<Reject>(node.receive(kRight, 1, 1e6f)));
  node.give(PeerDown{kRight});
  node.receive(kLeft, 0, 0);
  CHECK(node.x() == 1);
  const Outbox settled = node.come_back(kRight, 2);
  REQUIRE(find<EdgeSettled>(settled));
  CHECK(find<EdgeSettled>(settled)->reunion->how == "goes on after 1 exchanges");
}
