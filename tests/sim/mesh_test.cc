// The mesh among faults, late nodes and nodes that leave (mesh-algorithms.md §11).
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>

#include "gossip/algorithms.h"
#include "protocol/random.h"
#include "sim/adversary.h"
#include "sim/invariants.h"
#include "sim/trial.h"
#include "tests/sim/mesh_runs.h"
#include "tests/support/effort.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

constexpr Round kRounds = 150, kLong = 2000;

}  // namespace

TEST_CASE("mesh: no seed of faults breaks an invariant") {
  constexpr std::uint64_t kSeeds = effort(360, 18);
  const auto all = mesh_methods();
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const node::Run run = mesh_run(*all[seed % all.size()], kRounds, 6);
    const Trial trial = play(run, kCalm, undisturbed(run, kRounds * 1ms), 70000 + seed);
    if (!trial.broken) continue;
    FAIL(all[seed % all.size()]->name << ", seed " << seed << std::string("\n")
                                      << trial.plan.describe() << std::string("\n") << *trial.broken
                                      << std::string("\n") << trial.events);
  }
}

TEST_CASE("mesh: a node leaves, shards move, and the others reach their optimum") {
  for (const char* name : {"ef21-bc", "econtrol", "ef21", "diana"}) {
    CAPTURE(std::string(name));
    const gossip::AlgorithmTraits& traits = mesh_method(name);
    const node::Run before = mesh_run(traits, kLong, 8), after = mesh_run(traits, kLong, 8, 3);
    Simulation simulation(before, kCalm);
    for (std::size_t i = 0; i < 8; ++i) {
      const Time at = 50ms + static_cast<int>(i) * 1ms;
      if (i == 3) {
        simulation.kill(node_id(i), at);
      } else {
        simulation.reload(after, node_id(i), at);
      }
    }
    simulation.run();
    CHECK(worst_error(after, simulation) < 1e-3);
  }
}

TEST_CASE("mesh: a node joins, and all reach the optimum of all") {
  for (const char* name : {"ef21-bc", "econtrol"}) {
    CAPTURE(std::string(name));
    const gossip::AlgorithmTraits& traits = mesh_method(name);
    const node::Run before = mesh_run(traits, kLong, 7), after = mesh_run(traits, kLong, 8);
    Simulation simulation(before, kCalm);
    for (std::size_t i = 0; i < 8; ++i) {
      simulation.reload(after, node_id(i), 50ms + static_cast<int>(i) * 1ms);
    }
    simulation.run();
    CHECK(worst_error(after, simulation) < 1e-3);
  }
}

// Every node restarts without what it knew: the others tell it their shards, it tells its own.
TEST_CASE("mesh: models are equal to the bit again after every node has lost its memory once") {
  using enum gossip::AlgorithmKind;
  for (const gossip::AlgorithmTraits* traits : mesh_methods()) {
    if (traits->kind == liec_sgd || traits->kind == streaming_diloco) continue;  // one each
    CAPTURE(std::string(traits->name));
    const node::Run run = mesh_run(*traits, 400, 6);
    Simulation simulation(run, kCalm);
    for (std::size_t i = 0; i < 6; ++i) {
      const Time at = 60ms + static_cast<int>(i) * 70ms;
      simulation.kill(node_id(i), at);
      simulation.restart(node_id(i), at + 9ms);
    }
    simulation.run();
    for (std::size_t i = 1; i < 6; ++i) {
      CHECK(std::ranges::equal(simulation.model(node_id(0)), simulation.model(node_id(i))));
    }
  }
}

// Between two exchanges nodes drift apart by as many rounds as have none; nobody leaves one out to
// catch up.
TEST_CASE("mesh: a slow node changes no bit, also where rounds go without an exchange") {
  using enum gossip::AlgorithmKind;
  for (const gossip::AlgorithmTraits* traits : mesh_methods()) {
    if (traits->kind != zero_one_adam && traits->kind != econtrol) continue;
    CAPTURE(std::string(traits->name));
    const node::Run run = mesh_run(*traits, 200, 6);
    Simulation even(run, kCalm);
    even.run();
    SimulationOptions options = kCalm;
    options.slow = {{node_id(1), 3.0}, {node_id(4), 1.5}};
    Simulation uneven(run, options);
    uneven.run();
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(std::ranges::equal(even.model(node_id(i)), uneven.model(node_id(i))));
    }
  }
}
