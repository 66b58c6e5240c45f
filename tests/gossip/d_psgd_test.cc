#include "gossip/d_psgd.h"

#include <doctest/doctest.h>

#include "gossip/topology.h"
#include "protocol/random.h"
#include "tests/gossip/problems.h"

using namespace starling;
using namespace starling::gossip;
using starling::test::Lockstep, starling::test::random_starts, starling::test::ring,
    starling::test::vector_of;

namespace {

constexpr GossipOptions options(bool overlap, double relaxation = 1) {
  return {.algorithm = AlgorithmKind::d_psgd,
          .rank = 1,
          .iterations = 1,
          .overlap = overlap,
          .relaxation = relaxation};
}

}  // namespace

// Lian et al. 2017, Algorithm 1, against the dense recursion X <- W X - U in double.
TEST_CASE("d-psgd: one round is W x - update, or W (x - update) without overlap") {
  const Topology topology = ring(5);
  const auto starts = random_starts(5, 7);
  const auto update = [](std::size_t node, std::span<const float> model, std::span<float> out) {
    for (std::size_t k = 0; k < out.size(); ++k) out[k] = 0.1f * model[k] + 0.01f * node;
  };
  for (const bool overlap : {true, false}) {
    Lockstep flock(options(overlap), topology, vector_of(7), starts);
    flock.run(1, update);
    for (std::size_t i = 0; i < 5; ++i) {
      for (std::size_t k = 0; k < 7; ++k) {
        const auto stepped = [&](std::size_t j) {
          return starts[j][k] - (0.1 * starts[j][k] + 0.01 * static_cast<double>(j));
        };
        double expected = overlap ? stepped(i) - starts[i][k] : 0;
        for (std::size_t j = 0; j < 5; ++j) {
          const double w =
              i == j ? topology.self_weight(node_id(i)) : topology.weight(node_id(i), node_id(j));
          expected += w * (overlap ? starts[j][k] : stepped(j));
        }
        CHECK(flock.model(i)[k] == doctest::Approx(expected).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("d-psgd: gossip alone keeps the mean to float rounding and reaches consensus") {
  const Topology topology = ring(8);
  for (const double s : {1.0, topology.spectrum().optimal_relaxation()}) {
    Lockstep flock(options(true, s), topology, vector_of(50), random_starts(8, 50));
    const auto before = flock.mean();
    flock.mix(300);
    const auto after = flock.mean();
    for (std::size_t k = 0; k < 50; ++k) CHECK(std::abs(after[k] - before[k]) < 1e-6);
    CHECK(flock.consensus_distance(1) < 1e-6);
  }
}

// §1.2: the disagreement shrinks by 1 - gap a round, and over-relaxation improves it.
TEST_CASE("d-psgd: consensus shrinks at the rate of the spectral gap") {
  const Topology topology = ring(8);
  const Spectrum spectrum = topology.spectrum();
  const auto rate = [&](double s) {
    Lockstep flock(options(true, s), topology, vector_of(200), random_starts(8, 200));
    flock.mix(20);
    const double early = flock.consensus_distance(1);
    flock.mix(10);
    return std::pow(flock.consensus_distance(1) / early, 0.1);
  };
  CHECK(rate(1) == doctest::Approx(1 - spectrum.gap()).epsilon(0.01));
  CHECK(rate(spectrum.optimal_relaxation()) ==
        doctest::Approx(1 - spectrum.gap_at_optimal_relaxation()).epsilon(0.01));
}

TEST_CASE("d-psgd: a message with a wrong length or NaN is not accepted") {
  const auto method = make_d_psgd(std::vector<float>(4, 1.0f));
  ByteBlock four(16);
  std::ranges::fill(four.floats(), 2.0f);
  CHECK(method->check({}, 0, {SharedBytes(std::move(four))}).ok());
  ByteBlock three(12);
  std::ranges::fill(three.floats(), 2.0f);
  CHECK(method->check({}, 0, {SharedBytes(std::move(three))}).error().message ==
        "body has 12 bytes, expected 16 (4 floats)");
  ByteBlock bad(16);
  std::ranges::fill(bad.floats(), 2.0f);
  bad.floats()[2] = NAN;
  CHECK(method->check({}, 0, {SharedBytes(std::move(bad))}).error().message ==
        "body holds nan at index 2, expected finite values");
}
