// Runs that are stopped, saved, loaded into new nodes and resumed.
#include <doctest/doctest.h>

#include "compress/count_sketch.h"
#include "compress/quantize.h"
#include "gossip/algorithms.h"
#include "tests/gossip/problems.h"
#include "tests/support/memory_state.h"

using namespace starling;
using namespace starling::gossip;
using namespace starling::test;

namespace {

constexpr Round kRounds = 7;  // odd, so that PowerGossip stops between its two sides

MakeCompressor operator_for(const AlgorithmTraits& traits) {
  switch (traits.coding) {
    case Coding::contractive: return kSign;
    case Coding::unbiased:
    case Coding::any:
      return
          [] { return std::make_unique<compress::Quantize>(compress::QuantizeParams{.bits = 8}); };
    case Coding::sketch:
      return [] {
        return std::make_unique<compress::CountSketch>(
            compress::CountSketchOptions{.rows = 1, .width = 16, .keep = 2});
      };
    default: return kNone;
  }
}

TensorLayout matrix_and_bias() {
  TensorLayout layout;
  layout.add("weight", {4, 3});
  layout.add("bias", {4});
  return layout;
}

// Five nodes that start apart: a ring, or a mesh.
Lockstep flock(const AlgorithmTraits& traits, std::optional<Mode> mode = std::nullopt) {
  GossipOptions options = options_of(traits.kind);
  options.mode = mode;
  options.freeze = options.period = 2;
  options.iterations = traits.takes(kPowerIteration) && mode != Mode::async ? 3 : 1;
  const TensorLayout layout = matrix_and_bias();
  std::vector<std::vector<float>> starts(5, std::vector<float>(layout.size()));
  for (std::size_t i = 0; i < starts.size(); ++i)
    Random(9, Stream::test, {i}).fill_normal(starts[i]);
  return {
      options, traits.is_mesh() ? complete(5) : ring(5), layout, starts, 7, operator_for(traits)};
}

void tenth(std::size_t, std::span<const float> model, std::span<float> update) {
  for (std::size_t k = 0; k < update.size(); ++k) update[k] = 0.125f * model[k];
}

// Every edge up in that epoch, settled and in the order in which it matters least.
void connect(Lockstep& flock, Epoch epoch) {
  for (std::size_t i = 0; i < flock.size(); ++i) {
    for (const EdgeStatus& edge : flock.algorithm(i).edges()) {
      flock.give(i, PeerUp{edge.peer, epoch});
    }
  }
  flock.pump();
}

}  // namespace

TEST_CASE("archive: every algorithm goes on bit for bit where it was saved") {
  for (const AlgorithmTraits& traits : all_algorithms()) {
    // An asynchronous one goes on as after any break: what was under way is settled.
    if (traits.kind == AlgorithmKind::none || traits.pace == Pace::independent) continue;
    CAPTURE(std::string(traits.name));
    Lockstep whole = flock(traits), stopped = flock(traits), resumed = flock(traits);
    whole.run(2 * kRounds, tenth);
    stopped.run(kRounds, tenth);
    for (std::size_t i = 0; i < stopped.size(); ++i) {
      const MemoryState state = saved(stopped.algorithm(i));
      REQUIRE_MESSAGE(load(state, resumed.algorithm(i)).ok(),
                      load(state, resumed.algorithm(i)).error().message);
    }
    connect(resumed, 2);
    resumed.run(kRounds, tenth, kRounds);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      REQUIRE(std::ranges::equal(whole.model(i), resumed.model(i)));
      for (const EdgeStatus& edge : resumed.algorithm(i).edges()) CHECK(edge.reopened == 0);
    }
  }
}

// The neighbors of the node that lost its memory have counted what it has not.
TEST_CASE("archive: a node that resumes from an older state opens its edges anew") {
  for (const AlgorithmTraits& traits : all_algorithms()) {
    if (traits.kind == AlgorithmKind::none) continue;
    CAPTURE(std::string(traits.name));
    Lockstep whole = flock(traits), old = flock(traits);
    old.run(3, tenth);
    whole.run(kRounds, tenth);
    for (std::size_t i = 1; i < whole.size(); ++i) {
      REQUIRE(load(saved(whole.algorithm(i)), old.algorithm(i)).ok());
    }
    REQUIRE(load(saved(old.algorithm(0)), old.algorithm(0)).ok());
    connect(old, 2);
    old.run(kRounds, tenth, kRounds);
    for (const EdgeStatus& edge : old.algorithm(0).edges()) {
      CHECK(edge.reopened == 1);
      CHECK(edge.counted > 3);
    }
    const float largest = *std::ranges::max_element(old.model(0));
    CHECK(std::isfinite(largest));
  }
}

// What was under way is settled as after any break: nothing begins anew, and no exchange counts at
// one end alone, which the mean of the models would show where it is conserved. (What is under way
// in the end moves it too, by the difference of two messages; DeepSqueeze's do not become alike.)
TEST_CASE("archive: asynchronous nodes resume with what was under way") {
  for (const AlgorithmTraits& traits : all_algorithms()) {
    if (traits.kind == AlgorithmKind::none || traits.pace == Pace::in_step) continue;
    CAPTURE(std::string(traits.name));
    Lockstep stopped = flock(traits, Mode::async), resumed = flock(traits, Mode::async);
    stopped.mix(kRounds);
    for (std::size_t i = 0; i < stopped.size(); ++i) {
      const auto loaded = load(saved(stopped.algorithm(i)), resumed.algorithm(i));
      REQUIRE_MESSAGE(loaded.ok(), loaded.error().message);
    }
    const double apart = resumed.consensus_distance(1);
    connect(resumed, 2);
    resumed.mix(600);
    std::uint64_t made_up = 0;
    for (std::size_t i = 0; i < resumed.size(); ++i) {
      for (const EdgeStatus& edge : resumed.algorithm(i).edges()) {
        CHECK(edge.reopened == 0);
        made_up += edge.made_up;
      }
    }
    if (traits.pace == Pace::either) CHECK(made_up >= resumed.size());
    CHECK(resumed.consensus_distance(1) < 0.1 * apart);
    using enum AlgorithmKind;
    if (traits.kind == def_atc || traits.kind == actc || traits.kind == deepsqueeze) continue;
    const std::vector<double> before = flock(traits, Mode::async).mean(), after = resumed.mean();
    for (std::size_t k = 0; k < after.size(); ++k) CHECK(std::abs(after[k] - before[k]) < 1e-3);
  }
}

TEST_CASE("archive: a state of another algorithm or size is refused") {
  Lockstep one = flock(traits_of(AlgorithmKind::choco)),
           other = flock(traits_of(AlgorithmKind::cold));
  CHECK_FALSE(load(saved(one.algorithm(0)), other.algorithm(0)).ok());
  MemoryState damaged = saved(one.algorithm(0));
  damaged.blobs.erase(damaged.blobs.begin());
  CHECK_FALSE(load(damaged, one.algorithm(0)).ok());
}
