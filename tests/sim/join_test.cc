// Nodes that come to a flock which is under way: they begin with the model of a neighbor, over
// whatever breaks meanwhile, and nobody waits for them.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstring>
#include <map>

#include "gossip/algorithms.h"
#include "sim/invariants.h"
#include "tests/sim/runs.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

constexpr NodeId n(std::size_t i) { return node_id(i); }
using Words = std::vector<std::string>;

// A node that is not there keeps its neighbors waiting for so long, and they theirs.
constexpr Time kBegin = 30s;

// What there is to see of fetches in a simulation. Takes its observer and its listener.
struct Watch {
  explicit Watch(Simulation& simulation) {
    simulation.observe([&](NodeId node, Time, const node::Progress& progress) {
      const auto model = simulation.model(node);
      models[{node, progress.rounds_done}].assign(model.begin(), model.end());
    });
    simulation.listen([&](NodeId node, const node::Effect& effect) {
      if (const auto* done = std::get_if<node::ModelFetched>(&effect)) {
        fetched.emplace(node, *done);
        const auto model = simulation.model(node);
        first[node].assign(model.begin(), model.end());
      }
      if (const auto* without = std::get_if<node::FetchGivenUp>(&effect)) given_up[node] = *without;
      if (std::holds_alternative<node::Reject>(effect)) ++rejects;
      if (const auto* send = std::get_if<node::Send>(&effect)) {
        asks += send->parcel.type == FrameType::ask;
      }
    });
  }
  // The first model of a node is what its neighbor had, bit for bit.
  bool is_copy(NodeId node) const {
    const node::ModelFetched& f = fetched.at(node);
    const auto& mine = first.at(node);
    const auto& theirs = models.at({f.from, f.round});
    return std::memcmp(mine.data(), theirs.data(), 4 * mine.size()) == 0;
  }

  std::map<NodeId, node::ModelFetched> fetched;
  std::map<NodeId, node::FetchGivenUp> given_up;
  std::map<NodeId, std::vector<float>> first;
  std::map<std::pair<NodeId, Round>, std::vector<float>> models;
  int rejects = 0, asks = 0;
};

Words words_of(const gossip::AlgorithmTraits& traits, const Words& more) {
  Words words = test::words_of(traits);
  if (traits.is_mesh()) words.push_back("topology.kind=complete");
  if (traits.kind == gossip::AlgorithmKind::d2) words.push_back("gossip.allow_unproven=true");
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// A model of 300,010 parameters in five pieces, and links that need 26 ms for each and 120 ms for a
// message of a round.
node::Run large(const Words& more) {
  Words words = {"gossip.algorithm=d-psgd", "model.hidden=[4000]", "train.batch=1",
                 "train.learning_rate=0.001", "run.rounds=40"};
  words.insert(words.end(), more.begin(), more.end());
  return digits(words);
}
const SimulationOptions kSlowLink{.link = {.delay = 1ms, .bytes_per_second = 1e7}, .step = 400ms};

}  // namespace

TEST_CASE("join: with every algorithm a late node begins with its neighbor's model, bit for bit") {
  for (const gossip::AlgorithmTraits& traits : gossip::all_algorithms()) {
    if (traits.kind == gossip::AlgorithmKind::none) continue;
    CAPTURE(std::string(traits.name));
    const node::Run run = quadratic(
        words_of(traits, {traits.is_mesh() ? "data.dimension=400" : "data.dimension=60"}));
    Simulation simulation(run, {.link = {.delay = 500us}, .step = 1ms});
    Watch watch(simulation);
    Invariants invariants(run, simulation, {.keeps_memory = false});
    // An asynchronous flock waits for nobody, and is done when the late one's neighbors begin.
    const bool async = gossip::mode_of(run.config.gossip) == gossip::Mode::async;
    const Time begin = async ? Time{0} : kBegin;
    if (!async) simulation.join_late(n(2), begin + 30200us);
    simulation.kill(n(5), begin + 40200us);
    simulation.restart(n(5), begin + 50200us);
    simulation.run();
    invariants.check_end(kBegin + 1s);
    CHECK(invariants.broken().value_or("") == "");
    REQUIRE(watch.fetched.size() == (async ? 1 : 2));
    CHECK(watch.rejects == 0);
    // A mesh waits for two messages a round, or four.
    const bool sketches = traits.coding == gossip::Coding::sketch;
    CHECK(watch.fetched.at(n(5)).round >= (sketches ? 15 : traits.is_mesh() ? 24 : 32));
    if (async) continue;  // it mixes between rounds
    CHECK(watch.fetched.at(n(2)).round >= (sketches ? 10 : traits.is_mesh() ? 15 : 20));
    CHECK(watch.is_copy(n(2)));
    CHECK(watch.is_copy(n(5)));
  }
}

// A fetch takes three round trips here, and the flock does not wait for it.
TEST_CASE("join: the flock goes on as if nobody had joined") {
  const node::Run run = quadratic();
  Simulation simulation(run, {.link = {.delay = 500us}, .step = 1ms});
  simulation.join_late(n(2), kBegin + 30200us);
  simulation.run();
  CHECK(simulation.now() < kBegin + 104ms);
  CHECK(simulation.progress(n(2)).compute >= 58ms);
}

TEST_CASE(
    "join: at round 0 of the whole flock, from a checkpoint, or where it is not wanted, nothing "
    "is fetched") {
  const auto asks = [](const Words& words, Round every, bool late) {
    const node::Run run = quadratic(words);
    Simulation simulation(run,
                          {.link = {.delay = 500us}, .step = 1ms, .checkpoints = {.every = every}});
    Watch watch(simulation);
    if (late) {
      simulation.kill(n(3), 40200us);
      simulation.restart(n(3), 50200us);
    }
    simulation.run();
    CHECK(simulation.progress(n(3)).rounds_done == 100);
    return watch.asks;
  };
  CHECK(asks({}, 0, false) == 0);
  CHECK(asks({}, 10, true) == 0);
  CHECK(asks({"run.join=start"}, 0, true) == 0);
  CHECK(asks({}, 0, true) > 0);
}

TEST_CASE("join: a fetch goes on over links that break, where it stopped") {
  const node::Run run = large({});
  Simulation simulation(run, kSlowLink);
  Watch watch(simulation);
  simulation.join_late(n(1), kBegin + 4s);
  for (Time at = kBegin + 4010ms; at < kBegin + 4700ms; at += 40ms) {
    for (const NodeId peer : {n(0), n(2)}) {
      simulation.cut(n(1), peer, at);
      simulation.heal(n(1), peer, at + 1ms);
    }
  }
  simulation.run();
  REQUIRE(watch.fetched.size() == 1);
  const node::ModelFetched& fetched = watch.fetched.at(n(1));
  CHECK(fetched.pieces == 5);
  CHECK(fetched.resumed >= 2);
  CHECK(watch.is_copy(n(1)));
  CHECK(watch.rejects == 0);
  CHECK(simulation.progress(n(1)).rounds_done == 40);
}

TEST_CASE("join: where the giver dies in the middle the other neighbor gives its model") {
  const node::Run run = large({});
  Simulation simulation(run, kSlowLink);
  Watch watch(simulation);
  simulation.join_late(n(1), kBegin + 4s);
  simulation.kill(n(0), kBegin + 4580ms);
  simulation.run();
  REQUIRE(watch.fetched.size() == 1);
  CHECK(watch.fetched.at(n(1)).from == n(2));
  CHECK(watch.is_copy(n(1)));
  CHECK(watch.fetched.at(n(1)).took > node::FetchOptions{}.return_max);
  CHECK(simulation.progress(n(1)).rounds_done == 40);
}

TEST_CASE("join: where nobody is left to give the node says so and begins with the start model") {
  const node::Run run = large({"topology.kind=path", "topology.nodes=2"});
  Simulation simulation(run, kSlowLink);
  Watch watch(simulation);
  simulation.join_late(n(1), kBegin + 2s);
  simulation.kill(n(0), kBegin + 2450ms);
  simulation.run();
  CHECK(watch.fetched.empty());
  REQUIRE(watch.given_up.contains(n(1)));
  CHECK(watch.given_up[n(1)].why == "no neighbor is there that has a model to give");
  CHECK(simulation.progress(n(1)).phase == node::Phase::finished);
}

TEST_CASE("join: two nodes that come at once share their neighbor's copy") {
  const node::Run run = large({"topology.kind=star", "topology.nodes=3"});
  Simulation simulation(run, kSlowLink);
  Watch watch(simulation);
  simulation.join_late(n(1), kBegin + 6s);
  simulation.join_late(n(2), kBegin + 6s);
  simulation.run();
  REQUIRE(watch.fetched.size() == 2);
  CHECK(watch.fetched.at(n(1)).round == watch.fetched.at(n(2)).round);
  CHECK(watch.first.at(n(1)) == watch.first.at(n(2)));
  CHECK(watch.is_copy(n(1)));
}

// Half of the flock's life on the start model would cost far more.
TEST_CASE("join: a flock with late nodes ends near where one without them does") {
  const auto loss = [](const Words& algorithm, bool late) {
    Words words = {"topology.nodes=8",        "data.alpha=1",
                   "train.momentum=0",        "run.rounds=400",
                   "train.weight_decay=0.01", "train.learning_rate=0.05"};
    words.insert(words.end(), algorithm.begin(), algorithm.end());
    const node::Run run = softmax(words);
    Simulation simulation(run, {.link = {.delay = 200us}, .step = 1ms});
    if (late) {
      simulation.join_late(n(2), kBegin + 150ms);
      simulation.kill(n(5), kBegin + 150ms);
      simulation.restart(n(5), kBegin + 200ms);
    }
    simulation.run();
    double sum = 0;
    for (const node::NodeReport& node : simulation.report().nodes) sum += node.loss / 8;
    return sum;
  };
  for (const Words& algorithm :
       {Words{"gossip.algorithm=d-psgd"}, Words{"gossip.algorithm=powergossip"},
        Words{"gossip.algorithm=cold", "compress.operator=quantize", "compress.bits=8"},
        Words{"gossip.algorithm=choco", "compress.operator=sign"},
        Words{"gossip.algorithm=def-atc", "compress.operator=top-k", "compress.ratio=0.1"}}) {
    const double with = loss(algorithm, true), without = loss(algorithm, false);
    CAPTURE(algorithm[0]);
    MESSAGE(algorithm[0] << ": " << with << " with late nodes, " << without << " without");
    CHECK(with < 1.02 * without);
  }
}
