// What is told of edges that come back.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <map>

#include "tests/sim/runs.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

constexpr NodeId n(std::size_t i) { return node_id(i); }
using Ends = std::pair<NodeId, NodeId>;  // who tells, of whom

// Takes the simulation's listener.
struct Watch {
  explicit Watch(Simulation& simulation) {
    simulation.listen([&](NodeId node, const node::Effect& effect) {
      if (const auto* send = std::get_if<node::Send>(&effect);
          send && send->parcel.type == FrameType::settlement) {
        const auto model = simulation.model(node);
        models[{node, send->to}].assign(model.begin(), model.end());
      }
      if (const auto* edge = std::get_if<node::EdgeHealed>(&effect)) {
        CHECK_FALSE(healed.contains({node, edge->peer}));
        healed[{node, edge->peer}] = *edge;
      }
    });
  }
  // Of the models when both ends said where they stand.
  double distance(NodeId a, NodeId b) const {
    const auto &x = models.at({a, b}), &y = models.at({b, a});
    double sum = 0;
    for (std::size_t k = 0; k < x.size(); ++k) sum += std::pow(double{x[k]} - y[k], 2);
    return std::sqrt(sum);
  }
  double norm(NodeId a, NodeId b) const {
    double sum = 0;
    for (const float v : models.at({a, b})) sum += double{v} * v;
    return std::sqrt(sum);
  }

  std::map<Ends, node::EdgeHealed> healed;
  std::map<Ends, std::vector<float>> models;
};

}  // namespace

// Cut at 20.2 ms and noticed 1.5 ms later; healed at 60.2 ms, up and settled 1.5 ms later.
TEST_CASE("healing: after a partition each end of each cut edge tells how the two sides differ") {
  for (const std::vector<std::string>& algorithm :
       {std::vector<std::string>{"gossip.algorithm=d-psgd"},
        {"gossip.algorithm=powergossip"},
        {"gossip.algorithm=choco", "compress.operator=top-k", "compress.ratio=0.25"},
        {"gossip.algorithm=cold", "compress.operator=quantize", "compress.bits=8"},
        {"gossip.algorithm=sgp"},
        {"gossip.algorithm=d-psgd", "gossip.mode=async"}}) {
    CAPTURE(algorithm[0]);
    std::vector<std::string> words = {"data.dimension=600"};
    words.insert(words.end(), algorithm.begin(), algorithm.end());
    const node::Run run = quadratic(words);
    Simulation simulation(run, {.link = {.delay = 500us}, .step = 1ms});
    Watch watch(simulation);
    for (const Ends& edge : {Ends{n(0), n(7)}, Ends{n(3), n(4)}}) {
      simulation.cut(edge.first, edge.second, 20200us);
      simulation.heal(edge.first, edge.second, 60200us);
    }
    simulation.run();
    REQUIRE(watch.healed.size() == 4);
    for (const auto& [ends, edge] : watch.healed) {
      const double distance = watch.distance(ends.first, ends.second);
      CAPTURE(describe(edge));
      CHECK(distance > 0);
      CHECK(edge.reunion.distance == doctest::Approx(distance).epsilon(0.15));
      CHECK(edge.reunion.relative ==
            doctest::Approx(distance / watch.norm(ends.first, ends.second)).epsilon(0.2));
      CHECK(seconds(edge.apart) == doctest::Approx(0.040).epsilon(0.05));
      CHECK(edge.rounds >= 26);
      CHECK(edge.rounds <= 41);
      CHECK_FALSE(edge.is_moment());
      CHECK(edge.settling_bytes >= 2 * (64 + gossip::kSettlementBytes));
      CHECK(edge.settling_bytes <= 2 * (64 + gossip::kSettlementBytes) + 2 * 64);
    }
    // Both ends tell of the same distance.
    for (const auto& [ends, edge] : watch.healed) {
      CHECK(edge.reunion.distance == watch.healed.at({ends.second, ends.first}).reunion.distance);
    }
    const std::string line = describe(watch.healed.at({n(0), n(7)}));
    CHECK(line.starts_with("is back after 0.04"));
    CHECK(line.find("the edge goes on after ") != std::string::npos);
  }
}

TEST_CASE(
    "healing: a neighbor that comes back without memory costs an opening, and it is told so") {
  const node::Run run = quadratic({"gossip.algorithm=choco", "compress.operator=top-k",
                                   "compress.ratio=0.25", "data.dimension=600"});
  Simulation simulation(run, {.link = {.delay = 500us}, .step = 1ms});
  Watch watch(simulation);
  simulation.kill(n(3), 20200us);
  simulation.restart(n(3), 50200us);
  simulation.run();
  REQUIRE(watch.healed.size() == 2);  // the one that was away knows of no break
  for (const NodeId node : {n(2), n(4)}) {
    const node::EdgeHealed& edge = watch.healed.at({node, n(3)});
    CAPTURE(describe(edge));
    CHECK(edge.reunion.how.starts_with("starts anew: "));
    CHECK(edge.opening_bytes > 2 * 600 * sizeof(float));  // the references of both ends
    CHECK(edge.replay_bytes == 0);
  }
}

TEST_CASE("healing: one that breaks again before it was of use was apart since the first break") {
  const node::Run run = quadratic({"topology.kind=path", "topology.nodes=2"});
  Simulation simulation(run, {.link = {.delay = 500us}, .step = 1ms});
  Watch watch(simulation);
  simulation.cut(n(0), n(1), 20200us);
  simulation.heal(n(0), n(1), 40200us);
  simulation.cut(n(0), n(1), 41300us);  // up, and not settled
  simulation.heal(n(0), n(1), 60200us);
  simulation.run();
  REQUIRE(watch.healed.size() == 2);
  CHECK(seconds(watch.healed.at({n(0), n(1)}).apart) == doctest::Approx(0.040).epsilon(0.05));
}
