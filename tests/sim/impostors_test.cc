// Hosts that are not who they say, and nodes with another run file than the rest. A step takes 1 ms
// and a message half of one.
#include <doctest/doctest.h>

#include <algorithm>

#include "sim/invariants.h"
#include "tests/sim/runs.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

const SimulationOptions kOptions{
    .link = {.delay = 500us}, .step = 1ms, .silence = 20ms, .checkpoints = {.every = 10}};
constexpr NodeId n(std::size_t i) { return node_id(i); }

const std::vector<std::string> kChoco = {"gossip.algorithm=choco", "compress.operator=top-k",
                                         "compress.ratio=0.25"};

void check_sound(Simulation& simulation, Invariants& invariants) {
  simulation.run();
  invariants.check_end(1s);
  INFO(invariants.last_events(50));
  CHECK_MESSAGE(!invariants.broken(), invariants.broken().value_or(""));
}

const gossip::EdgeStatus& edge_to(const std::vector<gossip::EdgeStatus>& edges, NodeId peer) {
  return *std::ranges::find(edges, peer, &gossip::EdgeStatus::peer);
}

}  // namespace

TEST_CASE("twin: while the links of the node are up every neighbor refuses it, and no bit moves") {
  const node::Run run = quadratic(kChoco);
  const std::vector<std::string> undisturbed = hashes(simulate(run, kOptions));
  Simulation simulation(run, kOptions);
  Invariants invariants(run, simulation, {.keeps_memory = false});
  const NodeId twin = simulation.twin(n(3), 20ms, 60ms, true);
  check_sound(simulation, invariants);
  CHECK(hashes(simulation.report()) == undisturbed);
  REQUIRE(simulation.refusals().size() == 2);
  for (const Refusal& refusal : simulation.refusals()) {
    CHECK(refusal.whom == twin);
    CHECK((refusal.by == n(2) || refusal.by == n(4)));
    CHECK_FALSE(refusal.mismatch);
  }
}

// It trains when it has all edges of its name, as every node that starts.
TEST_CASE("twin: it gets the edges that are cut, keeps the node out, and both ends stay sound") {
  for (const bool copied : {false, true}) {
    CAPTURE(copied);
    const node::Run run = quadratic(kChoco);
    Simulation simulation(run, kOptions);
    Invariants invariants(run, simulation, {.keeps_memory = false});
    const NodeId twin = simulation.twin(n(3), 20ms, 60ms, copied);
    std::uint64_t by_twin = 0;
    simulation.observe([&](NodeId, Time now, const node::Progress&) {
      if (now < 59ms) by_twin = edge_to(simulation.core(twin).algorithm().edges(), n(4)).counted;
    });
    for (const NodeId neighbor : {n(2), n(4)}) {
      simulation.cut(n(3), neighbor, 30ms);
      simulation.heal(n(3), neighbor, 40ms);
    }
    check_sound(simulation, invariants);
    CHECK(by_twin > 20);
    CHECK(simulation.partner(n(4), n(3)) == n(3));
    CHECK(simulation.epoch(n(3), n(4)) == 3);
    const auto refused = [&](const Refusal& r) { return r.by == n(4) && r.whom == n(3); };
    CHECK(std::ranges::count_if(simulation.refusals(), refused) == 1);  // when the way had healed
    // What node 3 knew of the edge is of no use any more.
    CHECK(edge_to(simulation.core(n(4)).algorithm().edges(), n(3)).reopened == 2);
  }
}

TEST_CASE("mismatch: every neighbor refuses the node for the field that differs, the rest train") {
  for (const FingerprintField& field : node::fingerprint_of(quadratic(kChoco))) {
    CAPTURE(field.name);
    const node::Run run = quadratic(kChoco);
    Simulation simulation(run, kOptions);
    Invariants invariants(run, simulation, {.keeps_memory = false});
    simulation.misconfigure(n(3), 20ms, 60ms, field.name);
    Round others = 0;
    bool alone = true;
    simulation.observe([&](NodeId node, Time now, const node::Progress& progress) {
      if (now < 25ms || now >= 60ms) return;
      if (node == n(0)) others = progress.rounds_done;
      for (const auto& edge : simulation.core(n(3)).algorithm().edges()) {
        alone = alone && edge.epoch == 0;
      }
    });
    check_sound(simulation, invariants);
    CHECK(alone);
    CHECK(others > 50);
    for (const NodeId neighbor : {n(2), n(4)}) {
      const auto of_neighbor = [&](const Refusal& refusal) {
        return refusal.by == neighbor && refusal.whom == n(3) && refusal.mismatch &&
               refusal.mismatch->field == field.name && refusal.mismatch->ours == field.value &&
               refusal.mismatch->theirs != field.value;
      };
      CHECK(std::ranges::any_of(simulation.refusals(), of_neighbor));
    }
    CHECK(simulation.progress(n(3)).rounds_done == 100);
    CHECK(simulation.epoch(n(2), n(3)) > 1);
  }
}
