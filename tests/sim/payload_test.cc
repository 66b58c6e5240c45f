// What no correct node sends, in a whole flock: it costs the edge and nothing else. And nobody is
// ever taken for such a one who is not (reliability specification, B.1 row 8). A step takes 1 ms
// and a message half of one.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "compress/finite.h"
#include "sim/simulation.h"
#include "tests/sim/runs.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

const SimulationOptions kOptions{.link = {.delay = 500us}, .step = 1ms};
constexpr NodeId n(std::size_t i) { return node_id(i); }

const std::vector<std::vector<std::string>> kAlgorithms = {
    {"gossip.algorithm=d-psgd"},
    {"gossip.algorithm=powergossip"},
    {"gossip.algorithm=powergossip-exact"},
    {"gossip.algorithm=choco", "compress.operator=top-k", "compress.ratio=0.1"},
    {"gossip.algorithm=choco", "compress.operator=sign"},
    {"gossip.algorithm=cold", "compress.operator=quantize", "compress.bits=8"},
    {"gossip.algorithm=dyna-cold"},
    {"gossip.algorithm=def-atc", "compress.operator=top-k", "compress.ratio=0.1"},
    {"gossip.algorithm=actc", "compress.operator=quantize", "compress.bits=8"},
    {"gossip.algorithm=lead", "compress.operator=quantize", "compress.bits=8"},
    {"gossip.algorithm=deepsqueeze", "compress.operator=top-k", "compress.ratio=0.1"},
    {"gossip.algorithm=beer", "compress.operator=top-k", "compress.ratio=0.25"},
    {"gossip.algorithm=lessbit", "compress.operator=quantize", "compress.bits=8"},
    {"gossip.algorithm=nids"},
    {"gossip.algorithm=gradient-tracking"},
    {"gossip.algorithm=sgp"},
    {"gossip.algorithm=ad-psgd"},
    {"gossip.algorithm=d-psgd", "gossip.mode=async"},
    {"gossip.algorithm=choco", "gossip.mode=async", "compress.operator=top-k",
     "compress.ratio=0.1"}};

const node::EdgeCounts& edge_to(const node::Progress& progress, NodeId peer) {
  return *std::ranges::find(progress.edges, peer, &node::EdgeCounts::peer);
}

SharedBytes all(const SharedBytes& body, float value) {
  ByteBlock block(body.size());
  std::ranges::fill(block.floats(), value);
  return block;
}

}  // namespace

// After 300 rounds what is sent on an edge weighs 1e-6 of the models and less. Then the two halves
// of the ring, which have been apart, meet again; a node comes back with the start model; one is
// restarted with a neighbor's.
TEST_CASE("payload: no honest node is refused, at the start, after a heal or a restart") {
  for (const auto& algorithm : kAlgorithms) {
    for (const char* join : {"run.join=start", "run.join=neighbor"}) {
      CAPTURE(algorithm);
      auto words = algorithm;
      words.insert(words.end(), {"run.rounds=600", join, "data.dimension=60"});
      const node::Run run = quadratic(words);
      Simulation simulation(run, kOptions);
      for (const auto& [a, b] : {std::pair{0, 7}, std::pair{3, 4}}) {
        simulation.cut(n(a), n(b), 200ms);
        simulation.heal(n(a), n(b), 400ms);
      }
      simulation.kill(n(2), 450ms);
      simulation.restart(n(2), 460ms);
      simulation.join_late(n(6), 100ms);
      simulation.run();
      CHECK_MESSAGE(!simulation.rejection(), simulation.rejection().value_or(""));
      CHECK_FALSE(simulation.failure());
    }
  }
}

// The learning rate grows over 20 rounds, and falls to a tenth, to a hundredth.
TEST_CASE("payload: no honest node is refused whose learning rate changes") {
  for (const auto& algorithm : kAlgorithms) {
    CAPTURE(algorithm);
    auto words = algorithm;
    words.insert(words.end(), {"run.rounds=80", "train.warmup=20", "train.schedule=step"});
    const node::Run run = softmax(words);
    Simulation simulation(run, kOptions);
    simulation.kill(n(1), 30ms);
    simulation.restart(n(1), 40ms);
    simulation.run();
    CHECK_MESSAGE(!simulation.rejection(), simulation.rejection().value_or(""));
  }
}

TEST_CASE("payload: a node that sends garbage is refused three times, then left out, and only it") {
  for (const float garbage : {1e6f, 1e30f, NAN}) {
    CAPTURE(garbage);
    const node::Run run = quadratic({"run.rounds=200"});
    Simulation simulation(run, kOptions);
    std::size_t rejects = 0;
    simulation.tamper([&](NodeId from, NodeId, gossip::Parcel& parcel) {
      if (from == n(3) && parcel.round >= 50) parcel.body = all(parcel.body, garbage);
    });
    simulation.listen([&](NodeId node, const node::Effect& effect) {
      const auto* reject = std::get_if<node::Reject>(&effect);
      if (!reject) return;
      ++rejects;
      CHECK((node == n(2) || node == n(4)));
      CHECK(reject->peer == n(3));
    });
    simulation.run();
    CHECK(rejects == 6);
    for (const NodeId neighbor : {n(2), n(4)}) {
      const node::EdgeCounts edge = edge_to(simulation.progress(neighbor), n(3));
      CHECK(edge.rejected == 3);
      CHECK(edge.too_long == (std::isfinite(garbage) ? 3 : 0));
      CHECK(edge.malformed == (std::isfinite(garbage) ? 0 : 3));
      CHECK(edge.left_out > 29s);
      CHECK(edge.counted >= 50);
      CHECK(edge.counted <= 51);
    }
    for (std::size_t i = 0; i < 8; ++i) {
      CHECK(simulation.progress(n(i)).rounds_done == 200);
      CHECK_FALSE(compress::first_non_finite(simulation.model(n(i))));
      CHECK(edge_to(simulation.progress(n(i)), n((i + 1) % 8)).reopened <= 3);
    }
  }
}

// A cosmic ray: one message. The edge begins anew at both ends, and goes on.
TEST_CASE("payload: after one bad message the edge begins anew, its ends alike") {
  for (const auto& algorithm : kAlgorithms) {
    CAPTURE(algorithm);
    auto words = algorithm;
    words.insert(words.end(), {"run.rounds=120", "data.dimension=60"});
    const node::Run run = quadratic(words);
    Simulation simulation(run, kOptions);
    std::size_t tampered = 0, rejects = 0;
    simulation.tamper([&](NodeId from, NodeId to, gossip::Parcel& parcel) {
      if (from != n(3) || to != n(4) || parcel.round < 40 || tampered > 0) return;
      if (parcel.body.size() == 0) return;
      ++tampered;
      parcel.body = parcel.body.slice(0, parcel.body.size() - 1);
    });
    simulation.listen([&](NodeId, const node::Effect& effect) {
      if (std::holds_alternative<node::Reject>(effect)) ++rejects;
    });
    simulation.run();
    CHECK(tampered == 1);
    CHECK(rejects == 1);
    CHECK_FALSE(simulation.failure());
    const node::EdgeCounts edge = edge_to(simulation.progress(n(4)), n(3));
    CHECK(edge.malformed == 1);
    CHECK(edge.left_out == 0s);
    CHECK(edge.counted > 30);
    const auto hash = [&](NodeId node, NodeId peer) {
      return simulation.core(node).algorithm().edge_hash(peer);
    };
    CHECK(hash(n(4), n(3)) == hash(n(3), n(4)));
  }
}
