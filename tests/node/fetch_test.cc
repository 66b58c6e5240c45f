// A model on its way from one node to another: in pieces, over breaks, and with what no correct
// neighbor sends.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <optional>

#include "node/fetch.h"
#include "node/giver.h"
#include "protocol/frame.h"
#include "protocol/random.h"

using namespace starling;
using namespace starling::node;
using namespace std::chrono_literals;
using gossip::Parcel;

namespace {

constexpr NodeId kLeft = node_id(0), kSelf = node_id(1), kRight = node_id(2);
constexpr std::size_t kFloats = 5 * kPieceBytes / sizeof(float) + 7;  // six pieces

std::vector<float> model_of(std::uint64_t seed, std::size_t floats = kFloats) {
  std::vector<float> model(floats);
  Random(seed, Stream::test).fill_normal(model);
  return model;
}

bool equal(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Neighbors that give, and a node that fetches. What is asked is answered one ask after the other,
// as links with order have it.
struct Scene {
  explicit Scene(std::size_t floats = kFloats) : fetch(floats, 0s) {}

  void up(NodeId peer) {
    run([&](Fetch::Asks& out) { fetch.up(peer, now, out); });
  }
  // What was asked of it and not answered is lost.
  void down(NodeId peer) {
    std::erase_if(asks, [peer](const Fetch::Ask& ask) { return ask.of == peer; });
    if (peer == kLeft) left->down(kSelf);
    run([&](Fetch::Asks& out) { fetch.down(peer, now, out); });
  }
  Result<void> receive(NodeId from, const Parcel& parcel) {
    Result<void> taken;
    run([&](Fetch::Asks& out) { taken = fetch.receive(from, parcel, now, out); });
    return taken;
  }
  void at(Time time) {
    now = time;
    run([&](Fetch::Asks& out) { fetch.look_at_time(now, out); });
  }
  void run(const std::function<void(Fetch::Asks&)>& call) {
    Fetch::Asks more;
    call(more);
    asks.insert(asks.end(), more.begin(), more.end());
  }

  Parcel answer_of(Giver& giver, const Fetch::Ask& ask, std::span<const float> model) {
    const Parcel parcel{.type = FrameType::ask, .exchange = ask.piece, .base = ask.snapshot};
    auto answer = giver.answer(kSelf, parcel, round, now);
    REQUIRE(answer.ok());
    if (*answer) return **answer;
    return giver.give(model, round).at(0).second;
  }
  // Answers the first ask.
  Result<void> answer_one() {
    REQUIRE_FALSE(asks.empty());
    const Fetch::Ask ask = asks.front();
    asks.erase(asks.begin());
    return ask.of == kLeft ? receive(kLeft, answer_of(*left, ask, left_model))
                           : receive(kRight, answer_of(*right, ask, right_model));
  }
  void answer_all() {
    while (!asks.empty()) REQUIRE(answer_one().ok());
  }

  Fetch fetch;
  Fetch::Asks asks;
  Time now{0};
  Round round = 412;
  std::optional<Giver> left{std::in_place}, right{std::in_place};
  std::vector<float> left_model = model_of(1), right_model = model_of(2);
};

}  // namespace

TEST_CASE("fetch: the model comes over bit for bit, in pieces, a window at a time") {
  Scene scene;
  scene.up(kLeft);
  REQUIRE(scene.asks.size() == 1);
  REQUIRE(scene.answer_one().ok());
  CHECK(scene.asks.size() == FetchOptions{}.window);
  scene.now = 1500ms;
  scene.answer_all();
  REQUIRE(scene.fetch.state() == Fetch::State::done);
  CHECK(equal(scene.fetch.model(), scene.left_model));
  CHECK(describe(scene.fetch.outcome(scene.now), "n2") ==
        "fetched the model of round 412 from n2: 1311 KB in 6 pieces, 1.5 s");
}

TEST_CASE("fetch: a model smaller than a piece is one, and one that fills its pieces has no more") {
  for (const std::size_t floats : {std::size_t{1}, kPieceBytes / 4 - 1, kPieceBytes / 4,
                                   kPieceBytes / 4 + 1, kPieceBytes / 2}) {
    Scene scene(floats);
    scene.left_model = model_of(3, floats);
    scene.up(kLeft);
    scene.answer_all();
    REQUIRE(scene.fetch.state() == Fetch::State::done);
    CHECK(equal(scene.fetch.model(), scene.left_model));
    CHECK(scene.fetch.outcome(0s).pieces == (4 * floats + kPieceBytes - 1) / kPieceBytes);
  }
}

TEST_CASE("fetch: after every break it goes on where it stopped, without another snapshot") {
  for (std::size_t breaks = 1; breaks <= 7; ++breaks) {
    Scene scene;
    scene.up(kLeft);
    std::size_t pieces = 0;
    for (std::size_t i = 0; i < breaks; ++i) {
      REQUIRE(scene.answer_one().ok());
      pieces = i;
      scene.down(kLeft);
      CHECK(scene.asks.empty());
      scene.left_model = model_of(100 + i);  // the giver trains on
      ++scene.round;
      scene.up(kLeft);
      if (i < 6 && i + 1 < breaks) CHECK(scene.asks.front().piece == pieces);
      if (scene.fetch.state() == Fetch::State::done) break;
    }
    scene.answer_all();
    REQUIRE(scene.fetch.state() == Fetch::State::done);
    CHECK(equal(scene.fetch.model(), model_of(1)));
    CHECK(scene.fetch.outcome(0s).round == 412);
  }
}

TEST_CASE("fetch: a snapshot that is gone is begun anew") {
  Scene scene;
  scene.up(kLeft);
  for (int i = 0; i < 3; ++i) REQUIRE(scene.answer_one().ok());
  scene.down(kLeft);
  scene.left.emplace();
  scene.left_model = model_of(9);
  scene.up(kLeft);
  scene.answer_all();
  REQUIRE(scene.fetch.state() == Fetch::State::done);
  CHECK(equal(scene.fetch.model(), scene.left_model));
}

TEST_CASE("fetch: where the giver dies another one is asked, and nothing of the first is used") {
  Scene scene;
  scene.up(kLeft);
  scene.up(kRight);
  for (int i = 0; i < 3; ++i) REQUIRE(scene.answer_one().ok());
  scene.down(kLeft);
  CHECK(scene.asks.empty());  // it may come back
  scene.at(scene.fetch.deadline());
  REQUIRE(scene.asks.size() == 1);
  CHECK(scene.asks[0].of == kRight);
  scene.answer_all();
  REQUIRE(scene.fetch.state() == Fetch::State::done);
  CHECK(equal(scene.fetch.model(), scene.right_model));
  CHECK(scene.fetch.outcome(0s).from == kRight);
}

TEST_CASE(
    "fetch: a neighbor that is silent is left for one that is not; what it sends late is no "
    "fault") {
  Scene scene;
  scene.up(kLeft);
  scene.up(kRight);
  const Fetch::Ask late = scene.asks.at(0);
  scene.asks.clear();
  scene.at(9999ms);
  CHECK(scene.asks.empty());
  scene.at(10s);
  REQUIRE(scene.asks.size() == 1);
  CHECK(scene.receive(kLeft, scene.answer_of(*scene.left, late, scene.left_model)).ok());
  scene.answer_all();
  CHECK(equal(scene.fetch.model(), scene.right_model));
}

TEST_CASE("fetch: without a neighbor that gives anything it is given up, and says why") {
  Scene alone;
  alone.up(kLeft);
  alone.down(kLeft);
  alone.at(alone.fetch.deadline());
  CHECK(alone.fetch.state() == Fetch::State::given_up);
  CHECK(alone.fetch.why() == "no neighbor is there that has a model to give");

  Scene silent;
  silent.up(kLeft);
  while (silent.now < 59s) silent.at(silent.fetch.deadline());
  CHECK(silent.now == 60s);
  CHECK(silent.fetch.state() == Fetch::State::given_up);
  CHECK(silent.fetch.why() == "no neighbor has given anything for 60 s");
}

TEST_CASE(
    "fetch: what no correct neighbor sends is refused with its values, and another is asked") {
  using Spoil = std::function<void(Parcel&)>;
  // The answer after so many good ones, spoiled.
  const auto refused = [](int good, const Spoil& spoil) {
    Scene scene;
    scene.up(kLeft);
    scene.up(kRight);
    for (int i = 0; i < good; ++i) REQUIRE(scene.answer_one().ok());
    Parcel parcel = scene.answer_of(*scene.left, scene.asks.at(0), scene.left_model);
    scene.asks.clear();
    spoil(parcel);
    const Result<void> taken = scene.receive(kLeft, parcel);
    REQUIRE_FALSE(taken.ok());
    CHECK(scene.fetch.state() == Fetch::State::running);
    scene.answer_all();
    CHECK(equal(scene.fetch.model(), scene.right_model));
    CHECK(scene.fetch.outcome(0s).from == kRight);
    return taken.error().message;
  };
  const std::uint64_t name = snapshot_name(model_of(1));
  const std::string hash = fmt::format("{:016x}", name);
  CHECK(refused(0, [](Parcel& p) { p.body = p.body.slice(0, 7); }) ==
        "a snapshot's body has 7 bytes, expected 8");
  CHECK(refused(2, [](Parcel& p) { p.exchange = 4; }) ==
        "piece 4 of the model " + hash + ", expected piece 1 of " + hash);
  CHECK(refused(2, [](Parcel& p) { p.base = 5; }) ==
        "piece 1 of the model 0000000000000005, expected piece 1 of " + hash);
  CHECK(refused(2, [](Parcel& p) { p.body = p.body.slice(0, p.body.size() - 4); }) ==
        "piece 1 of a model has 262140 bytes, expected 262144");
  const auto overwrite = [](Parcel& p, float value) {
    ByteBlock block(p.body.size());
    std::ranges::copy(p.body.bytes(), block.bytes().begin());
    block.floats()[3] = value;
    p.body = std::move(block);
  };
  CHECK(refused(6, [&](Parcel& p) { overwrite(p, 1); }).ends_with("expected " + hash));
}

TEST_CASE("fetch: a model with NaN is refused though its hash is right") {
  Scene scene;
  scene.left_model[70'000] = NAN;
  scene.up(kLeft);
  Result<void> last;
  while (!scene.asks.empty() && last) last = scene.answer_one();
  REQUIRE_FALSE(last.ok());
  CHECK(last.error().message == "the model holds nan at index 70000, expected a finite number");
  scene.at(scene.fetch.deadline());
  CHECK(scene.fetch.state() == Fetch::State::given_up);
}

TEST_CASE("fetch: pieces that nobody asked for, and snapshots without an end, are refused") {
  Scene scene;
  scene.up(kLeft);
  CHECK(scene.receive(kRight, {.type = FrameType::piece, .exchange = 2}).error().message ==
        "piece 2 of a model that was not asked for");
  const auto snapshot = [](std::uint64_t name) {
    return Parcel{.type = FrameType::snapshot, .base = name, .body = ByteBlock(8)};
  };
  Result<void> taken;
  std::uint64_t begun = 0;
  while (taken) {
    taken = scene.receive(kLeft, snapshot(++begun));
    REQUIRE(begun < 100);
  }
  CHECK(taken.error().message == "the 5th snapshot of a model, expected the pieces of one of 4");
}

TEST_CASE(
    "giver: neighbors that ask at once share one copy, and a later one gets the model of then") {
  Giver giver;
  const auto first = model_of(1), second = model_of(2);
  const Parcel ask{.type = FrameType::ask};
  CHECK_FALSE(giver.answer(kLeft, ask, 7, 0s)->has_value());
  CHECK_FALSE(giver.answer(kRight, ask, 7, 0s)->has_value());
  const auto answers = giver.give(first, 8);
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].second.base == snapshot_name(first));
  CHECK(answers[1].second.base == snapshot_name(first));
  CHECK(giver.kept_bytes() == 4 * kFloats);
  const auto piece_of = [&](NodeId node, std::uint32_t index) {
    return **giver.answer(
        node, {.type = FrameType::ask, .exchange = index, .base = snapshot_name(first)}, 9, 0s);
  };
  CHECK(piece_of(kLeft, 2).body.bytes().data() == piece_of(kRight, 2).body.bytes().data());
  piece_of(kLeft, 5);                                                         // the last one
  CHECK((*giver.answer(kLeft, ask, 100, 0s))->base == snapshot_name(first));  // right still fetches
  piece_of(kLeft, 5);
  piece_of(kRight, 5);
  CHECK_FALSE(giver.answer(kLeft, ask, 100, 0s)->has_value());
  CHECK(giver.give(second, 101).at(0).second.base == snapshot_name(second));
  CHECK(giver.kept_bytes() == 4 * kFloats);
}

TEST_CASE("giver: a copy that nobody asks for is let go of") {
  Giver giver;
  CHECK_FALSE(giver.answer(kLeft, {.type = FrameType::ask}, 7, 10s)->has_value());
  giver.give(model_of(1), 7);
  giver.look_at_time(39s);
  CHECK(giver.kept_bytes() > 0);
  giver.look_at_time(40s);
  CHECK(giver.kept_bytes() == 0);
}

TEST_CASE("giver: a copy is let go of with its last piece, unless a link broke before that") {
  Giver giver;
  const auto model = model_of(1);
  const auto take_last = [&](NodeId node) {
    const gossip::Parcel ask{.type = FrameType::ask, .exchange = 5, .base = snapshot_name(model)};
    CHECK(giver.answer(node, ask, 8, 0s)->has_value());
  };
  CHECK_FALSE(giver.answer(kLeft, {.type = FrameType::ask}, 7, 0s)->has_value());
  CHECK_FALSE(giver.answer(kRight, {.type = FrameType::ask}, 7, 0s)->has_value());
  giver.give(model, 7);
  take_last(kLeft);
  giver.down(kRight);
  giver.look_at_time(1s);
  CHECK(giver.kept_bytes() > 0);
  take_last(kRight);
  giver.look_at_time(1s);
  CHECK(giver.kept_bytes() == 0);
}

TEST_CASE("giver: asks for what there is not, or too many of them, are refused") {
  Giver giver;
  const auto model = model_of(1);
  for (int i = 0; i < 8; ++i) CHECK(giver.answer(kLeft, {.type = FrameType::ask}, 7, 0s).ok());
  CHECK(giver.answer(kLeft, {.type = FrameType::ask}, 7, 0s).error().message ==
        "9 asks for a model at once, expected at most 8");
  giver.give(model, 7);
  CHECK(giver
            .answer(kLeft, {.type = FrameType::ask, .exchange = 6, .base = snapshot_name(model)}, 7,
                    0s)
            .error()
            .message == "an ask for piece 6, expected one below 6");
}
