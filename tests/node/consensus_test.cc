// How far models are apart, estimated from what nodes tell each other.
#include "node/consensus.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "protocol/random.h"
#include "tests/support/lockstep.h"

using namespace starling;
using namespace starling::node;
using namespace std::chrono_literals;

namespace {

// See compress/norm_sketch.h: four of the estimate's standard deviations.
constexpr double kOffMax = 4 * 0.044;

const NodeId kNear = node_id(1), kFar = node_id(2);

std::vector<float> normal(std::uint64_t seed, std::size_t size) {
  std::vector<float> x(size);
  Random(seed, Stream::test).fill_normal(x);
  return x;
}

ModelSketch sketch(Round rounds, float value) {
  ModelSketch sketch{rounds, {}};
  sketch.cells[0] = value;
  return sketch;
}

std::span<const std::byte> bytes(const ModelSketch& sketch) {
  return std::as_bytes(std::span(sketch.cells));
}

void note(Consensus& consensus, NodeId peer, const ModelSketch& sketch) {
  REQUIRE(consensus.note(peer, sketch.rounds, bytes(sketch)).ok());
}

double norm(std::span<const float> x, std::span<const float> y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(static_cast<double>(x[i]) - y[i], 2);
  return std::sqrt(sum);
}

// A node that has worked and sent that much since it began.
Progress progress(Round rounds, std::uint64_t sent_bytes, Duration computed) {
  Progress p;
  p.rounds_done = rounds;
  p.sent_bytes = sent_bytes;
  p.compute = computed;
  return p;
}

}  // namespace

TEST_CASE("consensus: of a flock that mixes, each estimate is near the true distance") {
  constexpr std::size_t kSize = 3000, kNodes = 4;
  constexpr std::uint64_t kSeed = 7;
  const auto topology = gossip::Topology::make(
      {.kind = gossip::TopologyKind::ring, .nodes = kNodes, .degree = 0, .edges = {}}, 1);
  TensorLayout layout;
  layout.add("x", {kSize});
  std::vector<std::vector<float>> starts;
  for (std::size_t i = 0; i < kNodes; ++i) starts.push_back(normal(i, kSize));
  test::Lockstep flock({.algorithm = gossip::AlgorithmKind::d_psgd}, *topology, layout, starts);
  // Each is pulled to a place of its own, so they stay apart.
  const auto update_of = [&](std::size_t node, std::span<const float> model,
                             std::span<float> update) {
    for (std::size_t i = 0; i < kSize; ++i) update[i] = 0.1F * (model[i] - starts[node][i]);
  };
  std::vector<Consensus> known(kNodes);
  for (Round rounds = 1; rounds <= 5; ++rounds) {
    flock.run(1, update_of);
    std::vector<ModelSketch> told;
    for (std::size_t i = 0; i < kNodes; ++i) {
      told.push_back(sketch_model(flock.model(i), kSeed, rounds));
      known[i].note_own(told.back());
    }
    for (std::size_t i = 0; i < kNodes; ++i) {
      double squares = 0;
      const double size = norm(flock.model(i), std::vector<float>(kSize));
      for (const NodeId peer : topology->neighbors(node_id(i))) {
        note(known[i], peer, told[index_of(peer)]);
        const double exact = norm(flock.model(i), flock.model(index_of(peer))) / size;
        CHECK(known[i].to(peer)->relative == doctest::Approx(exact).epsilon(kOffMax));
        CHECK(known[i].to(peer)->rounds == rounds);
        squares += exact * exact / 2;
      }
      CHECK(known[i].to_all()->relative == doctest::Approx(std::sqrt(squares)).epsilon(kOffMax));
    }
  }
}

TEST_CASE("consensus: nothing is known before both have sketched the same round, in any order") {
  Consensus consensus;
  CHECK_FALSE(consensus.to_all());
  consensus.note_own(sketch(16, 2));
  CHECK_FALSE(consensus.to(kNear));
  note(consensus, kNear, sketch(32, 3));  // it is ahead
  CHECK_FALSE(consensus.to(kNear));
  CHECK_FALSE(consensus.to_all());
  consensus.note_own(sketch(32, 2));
  CHECK(consensus.to(kNear)->relative == 0.5);
  CHECK(consensus.to(kNear)->rounds == 32);
  note(consensus, kNear, sketch(16, 2));  // late
  CHECK(consensus.to(kNear)->rounds == 32);
}

TEST_CASE("consensus: models that are the same are at distance 0, which is not unknown") {
  Consensus consensus;
  consensus.note_own(sketch(16, 2));
  note(consensus, kNear, sketch(16, 2));
  CHECK(consensus.to_all()->relative == 0);
}

TEST_CASE("consensus: of all neighbors it is the root mean square, as old as the oldest") {
  Consensus consensus;
  consensus.note_own(sketch(16, 1));
  note(consensus, kNear, sketch(16, 4));
  note(consensus, kFar, sketch(16, 5));
  consensus.note_own(sketch(32, 1));
  note(consensus, kFar, sketch(32, 5));
  CHECK(consensus.to_all()->relative == doctest::Approx(std::sqrt((9 + 16) / 2.0)));
  CHECK(consensus.to_all()->rounds == 16);
  consensus.forget(kNear);
  CHECK(consensus.to_all()->relative == 4);
  CHECK_FALSE(consensus.to(kNear));
  consensus.forget_all();
  CHECK_FALSE(consensus.to_all());
}

TEST_CASE("consensus: a neighbor that says nothing any more is unknown again") {
  Consensus consensus;
  consensus.note_own(sketch(16, 2));
  note(consensus, kNear, sketch(16, 3));
  for (Round i = 2; i <= Consensus::kKept; ++i) consensus.note_own(sketch(16 * i, 2));
  CHECK(consensus.to(kNear).has_value());
  consensus.note_own(sketch(1000, 2));
  CHECK_FALSE(consensus.to(kNear));
}

TEST_CASE("consensus: of a neighbor that tells of many rounds the newest are kept") {
  Consensus consensus;
  for (Round i = 1; i <= 100 * Consensus::kKept; ++i) note(consensus, kNear, sketch(i, 3));
  consensus.note_own(sketch(1, 2));
  CHECK_FALSE(consensus.to(kNear));
  consensus.note_own(sketch(100 * Consensus::kKept, 2));
  CHECK(consensus.to(kNear).has_value());
}

TEST_CASE("consensus: what is no sketch is refused, and what was known stays") {
  Consensus consensus;
  consensus.note_own(sketch(16, 2));
  note(consensus, kNear, sketch(16, 3));
  ModelSketch bad = sketch(16, 3);
  bad.cells[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK(consensus.note(kNear, 16, bytes(bad)).error().message ==
        "a heartbeat's sketch holds nan at index 7, expected a finite number");
  CHECK(consensus.note(kNear, 16, bytes(bad).first(1023)).error().message ==
        "a heartbeat's sketch has 1023 bytes, expected 1024");
  CHECK(consensus.note(kNear, 16, {}).error().code == ErrorCode::peer);
  CHECK(consensus.to(kNear)->relative == 0.5);
}

TEST_CASE("consensus: sketches of the largest numbers give a finite distance") {
  Consensus consensus;
  constexpr float kLargest = std::numeric_limits<float>::max();
  ModelSketch ours{16, {}}, theirs{16, {}};
  ours.cells.fill(kLargest);
  theirs.cells.fill(-kLargest);
  consensus.note_own(ours);
  note(consensus, kNear, theirs);
  CHECK(consensus.to_all()->relative == doctest::Approx(2));
}

TEST_CASE("sketch pace: after rounds that are multiples of a power of two, at least 16") {
  const SketchPace pace;
  CHECK_FALSE(pace.is_due(0));
  CHECK_FALSE(pace.is_due(8));
  CHECK(pace.is_due(16));
  CHECK(pace.is_due(48));
}

namespace {

// After so many sketches at its own pace, each round like the others.
SketchPace pace_after(int sketches, std::uint64_t round_bytes, std::size_t neighbors,
                      Duration round_time, Duration took) {
  SketchPace pace;
  Round rounds = 0;
  for (int i = 0; i < sketches; ++i) {
    rounds += pace.every();
    pace.made(progress(rounds, rounds * round_bytes, static_cast<int>(rounds) * round_time),
              neighbors, took);
  }
  return pace;
}

}  // namespace

TEST_CASE("sketch pace: what it sends and computes stays below a hundredth of the rounds") {
  constexpr std::uint64_t kFrame = SketchPace::kFrameBytes;
  CHECK(pace_after(9, 1'000'000, 2, 10ms, 1us).every() == 16);
  CHECK(pace_after(9, 2 * kFrame, 2, 1ms, 1us).every() == 128);  // 100 rounds for one, rounded up
  CHECK(pace_after(9, 1'000'000, 2, 1ms, 1ms).every() == 128);   // as long as a round
  CHECK(pace_after(30, 1, 8, 1us, 1us).every() == SketchPace::kEveryMax);
}

TEST_CASE("sketch pace: it is at most twice as slow after each") {
  CHECK(pace_after(1, 1, 8, 1ms, 1us).every() == 32);
  CHECK(pace_after(2, 1, 8, 1ms, 1us).every() == 64);
}

TEST_CASE("sketch pace: one that took long for once does not slow it down") {
  SketchPace pace;
  pace.made(progress(16, 16'000'000, 16 * 1ms), 2, 100us);
  pace.made(progress(32, 32'000'000, 32 * 1ms), 2, 1s);
  CHECK(pace.every() == 16);
}

TEST_CASE("sketch pace: rounds in which nothing was sent say nothing") {
  SketchPace pace;
  pace.made(progress(1000, 1'000'000'000, 10s), 2, 1us);
  CHECK(pace.every() == 16);
  pace.made(progress(2000, 1'000'000'000, 10s), 2, 1us);
  CHECK(pace.every() == 16);
}
