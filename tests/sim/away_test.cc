// Nodes of a mesh that are away for long: the others agree on it, take their shards over, and have
// them back (mesh-algorithms.md §11).
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "sim/adversary.h"
#include "sim/invariants.h"
#include "tests/sim/mesh_runs.h"
#include "tests/support/effort.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kNodes = 8;
constexpr NodeId kGone = node_id(3);
// After 20 rounds, and after 5.
constexpr const char *kSoon = "run.hand_over_seconds=0.02",
                     *kVerySoon = "run.hand_over_seconds=0.005";

node::Run run_of(const char* name, Round rounds, std::optional<std::size_t> left = std::nullopt) {
  return mesh_run(mesh_method(name), rounds, kNodes, left, {kSoon});
}

std::vector<std::string> known(const Simulation& simulation) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < kNodes; ++i) {
    all.push_back(simulation.run_of(node_id(i)).membership.text());
  }
  return all;
}

std::vector<std::string> all_know(const char* text) {
  return std::vector<std::string>(kNodes, text);
}

// Of four methods, as many as there is time for.
std::vector<const char*> first(std::vector<const char*> names) {
  names.resize(effort(4, 1));
  return names;
}

bool are_equal(const Simulation& simulation) {
  for (std::size_t i = 1; i < kNodes; ++i) {
    if (!std::ranges::equal(simulation.model(node_id(0)), simulation.model(node_id(i)))) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("away: a node dies, its shard is the others', and they reach their optimum") {
  for (const char* name : first({"econtrol", "ef21-bc", "ef21", "diana"})) {
    CAPTURE(std::string(name));
    const node::Run run = run_of(name, 2000), others = run_of(name, 2000, index_of(kGone));
    Simulation simulation(run, kCalm);
    simulation.kill(kGone, 50ms);
    simulation.run();
    CHECK_FALSE(simulation.failure());
    for (const NodeId node : others.topology.present()) {
      CHECK(simulation.run_of(node).membership.text() == "3:1");
    }
    CHECK(worst_error(others, simulation) < 1e-3);
  }
}

TEST_CASE("away: whoever comes back has the model of the others and a shard again") {
  for (const char* name : first({"econtrol", "ef21-bc", "doublesqueeze", "one-bit-adam"})) {
    for (const bool saves : {false, true}) {
      CAPTURE(std::string(name));
      CAPTURE(saves);
      const node::Run run = run_of(name, 2000);
      SimulationOptions options = kCalm;
      if (saves) options.checkpoints.every = 10;
      Simulation simulation(run, options);
      simulation.kill(kGone, 50ms);
      simulation.restart(kGone, 400ms);
      simulation.run();
      CHECK_FALSE(simulation.failure());
      CHECK(known(simulation) == all_know("3:2"));
      CHECK(are_equal(simulation));
      const bool is_exact = std::string(name).starts_with("e");
      if (is_exact) CHECK(worst_error(run, simulation) < 1e-3);
    }
  }
}

TEST_CASE("away: of a flock that falls apart the larger side goes on without the smaller") {
  const node::Run run = run_of("econtrol", 2000);
  Simulation simulation(run, kCalm);
  for (std::size_t low = 0; low < 3; ++low) {
    for (std::size_t high = 3; high < kNodes; ++high) {
      simulation.cut(node_id(low), node_id(high), 50ms);
      simulation.heal(node_id(low), node_id(high), 300ms);
    }
  }
  std::vector<std::string> apart;
  simulation.observe([&](NodeId, Time now, const node::Progress&) {
    if (now > 250ms && apart.empty()) apart = known(simulation);
  });
  simulation.run();
  const std::string nobody = "none", three = "0:1,1:1,2:1";
  CHECK(apart == std::vector{nobody, nobody, nobody, three, three, three, three, three});
  CHECK(known(simulation) == all_know("0:2,1:2,2:2"));
  CHECK(are_equal(simulation));
  CHECK(worst_error(run, simulation) < 1e-3);
}

TEST_CASE("away: one link that is down for long puts nobody out") {
  const node::Run run = run_of("econtrol", 300);
  Simulation simulation(run, kCalm);
  simulation.cut(node_id(1), node_id(2), 50ms);
  simulation.run();
  CHECK(known(simulation) == all_know("none"));
}

TEST_CASE("away: no seed of faults breaks an invariant where nodes are away for long") {
  constexpr std::uint64_t kSeeds = effort(180, 36);
  const auto methods = mesh_methods();
  std::uint64_t regrouped = 0, came_back = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const gossip::AlgorithmTraits& method = *methods[seed % methods.size()];
    const node::Run run = mesh_run(method, 150, 6, std::nullopt, {kVerySoon});
    const Undisturbed calm = undisturbed(run, 150ms);
    const FaultPlan plan = draw_faults(90000 + seed, calm);
    Simulation simulation(run, with_faults(kCalm, plan, calm));
    Invariants invariants(run, simulation, {.keeps_memory = false, .calm = plan.calm});
    apply(plan, run.topology, simulation);
    simulation.run();
    invariants.check_end(20 * calm.length + 1min);
    if (invariants.broken()) {
      FAIL(method.name << ", seed " << seed << std::string("\n") << plan.describe()
                       << std::string("\n") << *invariants.broken() << std::string("\n")
                       << invariants.last_events());
    }
    const node::Membership& known = simulation.run_of(node_id(0)).membership;
    if (known != node::Membership()) ++regrouped;
    if (known != node::Membership() && known.away().empty()) ++came_back;
  }
  CHECK(regrouped > kSeeds / 8);
  CHECK(came_back > 0);
  MESSAGE(regrouped << " regrouped, " << came_back << " came back");
}
