// What mixing adds at one end it takes away at the other, exchange by exchange.
#include <doctest/doctest.h>

#include "sim/conservation.h"
#include "sim/invariants.h"
#include "tests/sim/runs.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

constexpr NodeId n(std::size_t i) { return node_id(i); }

Term term(std::size_t self, std::size_t peer, std::uint64_t exchange) {
  return {.self = n(self), .peer = n(peer), .history = 1, .lives = 0, .exchange = exchange};
}

// Node `self` moved by `by`, of at most 1, in exchange 1 with each of these.
std::optional<std::string> note(Conservation& conservation, std::size_t self, double by,
                                const std::vector<std::size_t>& peers) {
  Move move{.by = {by}, .largest = 1};
  for (const std::size_t peer : peers) move.terms.push_back(term(self, peer, 1));
  return conservation.note(std::move(move));
}

constexpr double kUnit = 0x1p-24;

}  // namespace

TEST_CASE("conservation: what moves without an exchange or a local step is found at once") {
  Conservation conservation;
  CHECK_FALSE(note(conservation, 0, 0, {}));
  CHECK_FALSE(note(conservation, 0, 7 * kUnit, {}));
  CHECK(note(conservation, 0, 9 * kUnit, {}));
}

TEST_CASE("conservation: two ends of an exchange have to cancel to rounding") {
  for (const bool cancels : {true, false}) {
    Conservation conservation;
    CHECK_FALSE(note(conservation, 0, 0.25, {1}));
    CHECK(conservation.closed_terms() == 0);
    const auto wrong = note(conservation, 1, -0.25 + (cancels ? 15 : 17) * kUnit, {0});
    CHECK(wrong.has_value() == !cancels);
    CHECK(conservation.closed_terms() == 2);
  }
}

// Node 1 mixes both edges in one event: neither can be judged alone.
TEST_CASE("conservation: exchanges that one event joins are judged when all ends are there") {
  Conservation conservation;
  CHECK_FALSE(note(conservation, 0, 0.25, {1}));
  CHECK_FALSE(note(conservation, 1, 0.5, {0, 2}));
  const auto wrong = note(conservation, 2, -0.25, {1});
  REQUIRE(wrong);
  CHECK(wrong->find("moved by 0.5 at 0") != wrong->npos);
}

TEST_CASE("conservation: an end that forgot an exchange and has it again stands for itself once") {
  Conservation conservation;
  CHECK_FALSE(note(conservation, 0, 0.5, {1}));
  CHECK_FALSE(note(conservation, 0, 0.25, {1}));
  CHECK_FALSE(note(conservation, 1, -0.25, {0}));
  CHECK(conservation.closed_terms() == 2);
}

TEST_CASE("conservation: groups that never close are let go of") {
  Conservation conservation;
  for (std::size_t i = 0; i < 2 * Conservation::kOpenMax; ++i) {
    CHECK_FALSE(note(conservation, 2 * i, 1, {2 * i + 1}));
  }
  CHECK_FALSE(note(conservation, 1, 3, {0}));  // of the first nothing is known any more
  CHECK(note(conservation, 4 * Conservation::kOpenMax - 1, 3, {4 * Conservation::kOpenMax - 2}));
}

// Reliability specification, I1: 0.6 · n · max|x| · 2^-24 was seen there; 8 is the bound.
TEST_CASE("conservation: without faults every exchange of every method is checked") {
  const std::vector<std::vector<std::string>> methods = {
      {"d-psgd"},
      {"d-psgd", "gossip.overlap=false"},
      {"powergossip", "gossip.iterations=2"},
      {"powergossip-exact"},
      {"choco", "compress.operator=top-k", "compress.ratio=0.25"},
      {"deepsqueeze", "compress.operator=quantize", "compress.bits=8"},
      {"moniqua", "gossip.theta=100"},
      {"sgp"},
      {"cold", "compress.operator=top-k", "compress.ratio=0.25"},
      {"dyna-cold"},
      {"lead", "compress.operator=quantize", "compress.bits=8"},
      {"lessbit", "compress.operator=quantize", "compress.bits=8"},
      {"nids"},
      {"d2", "topology.nodes=9"},
      {"ad-psgd"},
      {"d-psgd", "gossip.mode=async"}};
  for (std::vector<std::string> words : methods) {
    words[0] = "gossip.algorithm=" + words[0];
    CAPTURE(words[0]);
    const node::Run run = quadratic(words);
    CHECK(conserved_by(run.config.gossip) != Conserved::nothing);
    Simulation simulation(run, {.link = {.delay = 500us, .jitter = 200us}, .step = 1ms});
    Invariants invariants(run, simulation);
    simulation.run();
    invariants.check_end(Time::max());
    CHECK_MESSAGE(!invariants.broken(), invariants.broken().value_or(""));
    const Conservation& conservation = invariants.conservation();
    CHECK(conservation.all_terms() >= 2 * 8 * 50);
    CHECK(conservation.closed_terms() == conservation.all_terms());
    CHECK(conservation.worst() < 8);
  }
}
