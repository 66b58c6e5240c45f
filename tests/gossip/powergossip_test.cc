#include "gossip/powergossip.h"

#include <doctest/doctest.h>

#include "gossip/topology.h"
#include "protocol/random.h"
#include "tests/support/lockstep.h"

using namespace starling;
using namespace starling::gossip;
using starling::test::Lockstep;

namespace {

Topology graph(TopologyKind kind, std::size_t n) {
  return *Topology::make({.kind = kind, .nodes = n, .degree = 0, .edges = {}}, 1);
}

TensorLayout matrix_of(std::size_t rows, std::size_t columns) {
  TensorLayout layout;
  layout.add("x", {rows, columns});
  return layout;
}

std::vector<std::vector<float>> gaussian_starts(std::size_t nodes, std::size_t size) {
  std::vector<std::vector<float>> starts(nodes, std::vector<float>(size));
  for (std::size_t i = 0; i < nodes; ++i) Random(5, Stream::test, {i}).fill_normal(starts[i]);
  return starts;
}

GossipOptions options(std::size_t rank, std::size_t iterations, double s = 1, bool overlap = true) {
  return {.algorithm = AlgorithmKind::powergossip,
          .rank = rank,
          .iterations = iterations,
          .overlap = overlap,
          .relaxation = s};
}

double norm_of(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

}  // namespace

// Acceptance test 8 of the specification: two nodes at w = 1/2 whose difference has rank 1 agree
// after exactly two power iterations.
TEST_CASE("powergossip: a rank-1 difference is gone after two iterations at w = 1/2") {
  constexpr std::size_t kRows = 9, kColumns = 13;
  std::vector<float> u(kRows), v(kColumns);
  Random(1, Stream::test, {1}).fill_normal(u);
  Random(1, Stream::test, {2}).fill_normal(v);
  auto starts = gaussian_starts(2, kRows * kColumns);
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kColumns; ++c) {
      starts[1][r * kColumns + c] = starts[0][r * kColumns + c] + u[r] * v[c];
    }
  }
  Lockstep flock(options(1, 1), graph(TopologyKind::path, 2), matrix_of(kRows, kColumns), starts);
  const double before = flock.consensus_distance(1);
  flock.mix(1);
  CHECK(flock.consensus_distance(before) > 1e-3);
  flock.mix(1);
  CHECK(flock.consensus_distance(before) < 1e-6);  // float rounding
}

// §3 "Measured", 20×20 Gaussian on the 8-ring, warm start: 1e-5 (relative) after 1000 iterations;
// with s = 1.308 7e-7; to float rounding by 3000. The floor of float32 is about 1e-7.
TEST_CASE("powergossip: consensus on a fixed problem goes to float rounding, the mean stays") {
  const Topology ring = graph(TopologyKind::ring, 8);
  const auto starts = gaussian_starts(8, 400);
  for (const double s : {1.0, ring.spectrum().optimal_relaxation()}) {
    Lockstep flock(options(1, 1, s), ring, matrix_of(20, 20), starts);
    const auto mean = flock.mean();
    const double scale = flock.consensus_distance(1);
    flock.mix(1000);
    CHECK(flock.consensus_distance(scale) < (s == 1.0 ? 4e-5 : 5e-6));
    flock.mix(2000);
    CHECK(flock.consensus_distance(scale) < 3e-7);
    const auto after = flock.mean();
    double moved = 0;
    for (std::size_t k = 0; k < mean.size(); ++k)
      moved = std::max(moved, std::abs(after[k] - mean[k]));
    CHECK(moved < 2e-6 * norm_of(mean));
  }
}

// §3 "Measured": differences of low rank are what the warm start pays for: 3.5e-5 after 1000
// iterations where random vectors are at 2.6e-2.
TEST_CASE("powergossip: the warm start follows low-rank differences") {
  constexpr std::size_t kSide = 60, kRank = 3;
  std::vector<std::vector<float>> starts(8, std::vector<float>(kSide * kSide, 0.0f));
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t k = 0; k < kRank; ++k) {
      const Random left(6, Stream::test, {i, k, 0}), right(6, Stream::test, {i, k, 1});
      for (std::size_t r = 0; r < kSide; ++r) {
        for (std::size_t c = 0; c < kSide; ++c) {
          starts[i][r * kSide + c] += left.normal(r) * right.normal(c);
        }
      }
    }
  }
  Lockstep flock(options(1, 1), graph(TopologyKind::ring, 8), matrix_of(kSide, kSide), starts);
  const double scale = flock.consensus_distance(1);
  flock.mix(1000);
  CHECK(flock.consensus_distance(scale) < 5e-4);
}

// Pitfall 1: identical models once made the warm vector zero for ever.
TEST_CASE("powergossip: neighbors that agreed once still communicate later") {
  const auto one = gaussian_starts(1, 30)[0];
  Lockstep flock(options(1, 1), graph(TopologyKind::path, 2), matrix_of(5, 6), {one, one});
  flock.mix(6);
  CHECK(flock.consensus_distance(1) == 0);
  // Now node 1 walks away by a rank-1 step and only gossip can bring them together again.
  flock.run(1, [](std::size_t node, std::span<const float>, std::span<float> update) {
    for (std::size_t k = 0; k < update.size(); ++k) {
      update[k] = node == 1 ? 0.5f * static_cast<float>(k / 6 + 1) : 0.0f;
    }
  });
  const double apart = flock.consensus_distance(1);
  REQUIRE(apart > 0.1);
  flock.mix(3);
  CHECK(flock.consensus_distance(apart) < 1e-5);
}

// Pitfall 2: an absolute epsilon of 1e-8 in the normalisation stops consensus at about 3e-9.
TEST_CASE("powergossip: tiny differences shrink as fast as large ones") {
  auto starts = gaussian_starts(2, 30);
  for (auto& start : starts) {
    for (float& x : start) x *= 1e-20f;
  }
  Lockstep flock(options(1, 1), graph(TopologyKind::path, 2), matrix_of(5, 6), starts);
  const double scale = flock.consensus_distance(1);
  REQUIRE(scale > 0);
  flock.mix(200);
  CHECK(flock.consensus_distance(scale) < 1e-5);
}

TEST_CASE("powergossip: what one end of an edge gains the other loses, to the bit") {
  Lockstep flock(options(2, 1), graph(TopologyKind::path, 2), matrix_of(8, 8),
                 {std::vector<float>(64, 0.0f), gaussian_starts(1, 64)[0]});
  // From zero the first change of node 0 is exact in float: x_0 = +d, and x_1 moved by -d.
  const std::vector<float> before(flock.model(1).begin(), flock.model(1).end());
  flock.mix(1);
  for (std::size_t k = 0; k < 64; ++k) {
    const float gained = flock.model(0)[k];
    CHECK(flock.model(1)[k] == doctest::Approx(before[k] - gained).epsilon(1e-6));
  }
}

TEST_CASE("powergossip: renaming low and high leaves the result bitwise equal") {
  const auto starts = gaussian_starts(2, 48);
  Lockstep one(options(1, 2), graph(TopologyKind::path, 2), matrix_of(6, 8), starts);
  Lockstep other(options(1, 2), graph(TopologyKind::path, 2), matrix_of(6, 8),
                 {starts[1], starts[0]});
  one.mix(9);
  other.mix(9);
  for (std::size_t k = 0; k < 48; ++k) {
    CHECK(one.model(0)[k] == other.model(1)[k]);
    CHECK(one.model(1)[k] == other.model(0)[k]);
  }
}

TEST_CASE("powergossip: full rank and one iteration is uncompressed gossip") {
  const Topology ring = graph(TopologyKind::ring, 5);
  const auto starts = gaussian_starts(5, 42);
  Lockstep low_rank(options(6, 1), ring, matrix_of(6, 7), starts);
  Lockstep dense({.algorithm = AlgorithmKind::d_psgd,
                  .rank = 1,
                  .iterations = 1,
                  .overlap = true,
                  .relaxation = 1},
                 ring, matrix_of(6, 7), starts);
  // t even projects on the span of the left factor, which at rank 6 is the whole space of rows.
  low_rank.mix(1);
  dense.mix(1);
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t k = 0; k < 42; ++k) {
      CHECK(low_rank.model(i)[k] == doctest::Approx(dense.model(i)[k]).epsilon(1e-4));
    }
  }
}

TEST_CASE("powergossip: vectors go dense, once a round, without over-relaxation") {
  TensorLayout layout;
  layout.add("weight", {4, 3});
  layout.add("bias", {4});
  const auto starts = gaussian_starts(2, 16);
  Lockstep flock(options(1, 2, 1.3), graph(TopologyKind::path, 2), layout, starts);
  flock.mix(1);
  for (std::size_t k = 12; k < 16; ++k) {
    const double mean = (static_cast<double>(starts[0][k]) + starts[1][k]) / 2;
    CHECK(flock.model(0)[k] == doctest::Approx(mean).epsilon(1e-6));
  }
  // Two ends, two iterations: a right factor of 3 with the 4 biases, then a left factor of 4.
  CHECK(flock.sent_bytes() == 2 * 4 * ((3 + 4) + 4));
}

TEST_CASE("powergossip: without overlap the exchanges see the stepped model") {
  const auto starts = gaussian_starts(2, 12);
  const auto constant = [](std::size_t node, std::span<const float>, std::span<float> update) {
    std::fill(update.begin(), update.end(), node == 0 ? 1.0f : -1.0f);
  };
  // At full rank one exchange between two nodes averages them, so without overlap they agree.
  Lockstep after(options(3, 1, 1, false), graph(TopologyKind::path, 2), matrix_of(3, 4), starts);
  after.run(1, constant);
  CHECK(after.consensus_distance(1) < 1e-6);
  Lockstep before(options(3, 1, 1, true), graph(TopologyKind::path, 2), matrix_of(3, 4), starts);
  before.run(1, constant);
  CHECK(before.consensus_distance(1) == doctest::Approx(std::sqrt(12.0)).epsilon(1e-5));
}
