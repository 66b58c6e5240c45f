// Nodes that sit rounds out: specification mesh-algorithms.md §8.
#include <doctest/doctest.h>

#include "tests/gossip/least_squares.h"

using namespace starling;
using namespace starling::gossip;
using namespace starling::test;

// §8: weights 1 / p_i keep the step right on average under any distribution, here of a round from
// the start on (mean over seeds); weights of 1, which prefer nodes that are often there, do not.
TEST_CASE("mesh: with nodes that sit rounds out the mean step is that of all") {
  constexpr std::size_t kSeeds = 4000, kShort = 16;
  constexpr double kShares[] = {0.2, 0.5, 1};
  const UpdateOf apart = [](std::size_t i, std::span<const float>, std::span<float> update) {
    std::ranges::fill(update, static_cast<float>(i == 0 ? 4 : i == 1 ? -1 : 0.5));
  };
  for (const AlgorithmKind kind : {AlgorithmKind::dcsgd, AlgorithmKind::diana}) {
    CAPTURE(std::string(name_of(kind)));
    GossipOptions options = options_of(kind);
    options.participation.assign(std::begin(kShares), std::end(kShares));
    double moved = 0, squares = 0;
    for (std::size_t seed = 0; seed < kSeeds; ++seed) {
      Lockstep flock(options, complete(3), vector_of(kShort),
                     std::vector(3, std::vector<float>(kShort, 0.0f)), seed, kIdentity);
      flock.run(2, apart);
      const double step = -flock.model(0)[0] / 2;
      moved += step / kSeeds;
      squares += step * step / kSeeds;
    }
    const double standard = std::sqrt((squares - moved * moved) / kSeeds);
    CHECK(std::abs(moved - 3.5 / 3) < 4 * standard);
    CHECK(std::abs(moved - (0.2 * 4 - 0.5 * 1 + 0.5) / 3) > 10 * standard);
  }
}

TEST_CASE("mesh: DIANA is as good as exact where nodes sit rounds out") {
  const LeastSquares problem;
  GossipOptions options = options_of(AlgorithmKind::diana);
  options.participation = {0.5, 0.9, 1, 0.7, 1, 0.6, 0.8, 1};
  Lockstep flock = mesh(options, kIdentity);
  flock.learning_rate = 0.02;
  flock.run(6000, problem.step(0.02f));
  CHECK(problem.error(flock.model(0)) < 1e-4);
}

// An owner that sees a node in half of its rounds counts it twice.
TEST_CASE("mesh: weights by uptime find out how often a node is there") {
  GossipOptions options = options_of(AlgorithmKind::dcsgd);
  options.by_uptime = true;
  Lockstep flock(options, complete(3), vector_of(3), std::vector(3, std::vector<float>(3, 0.0f)), 7,
                 kIdentity);
  const UpdateOf ones = [](std::size_t i, std::span<const float>, std::span<float> update) {
    std::ranges::fill(update, i == 2 ? 3.0f : 0.0f);
  };
  Epoch epoch = 1;
  const auto cut = [&] {
    for (const std::size_t i : {0, 1}) {
      flock.give(i, PeerDown{node_id(2)});
      flock.give(2, PeerDown{node_id(i)});
    }
  };
  const auto mend = [&] {
    ++epoch;
    for (const std::size_t i : {0, 1}) {
      flock.give(i, PeerUp{node_id(2), epoch});
      flock.give(2, PeerUp{node_id(i), epoch});
    }
    flock.pump();
  };
  for (int turn = 0; turn < 200; ++turn) {
    flock.run(1, ones);
    cut();
    flock.run(1, ones);
    mend();
  }
  // Coordinate 0 is node 0's shard. It has moved by 1 a round on average, whoever was there.
  CHECK(std::abs(-flock.model(0)[0] / 400 - 1) < 0.05);
}
