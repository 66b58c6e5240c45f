// Stochastic gradient push (Assran et al. 2019, Algorithm 1; gossip specification §7).
#include "gossip/sgp.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "gossip/rounds.h"
#include "tests/gossip/problems.h"
#include "tests/support/effort.h"

using namespace starling;
using namespace starling::gossip;
using namespace starling::test;

namespace {

constexpr std::size_t kSize = 30;

Topology graph(const TopologyOptions& options) {
  const auto made = Topology::make(options, 1);
  if (!made) FAIL(made.error().message);
  return *made;
}
Topology one_peer(std::size_t nodes) {
  return graph({.kind = TopologyKind::one_peer_exponential, .nodes = nodes});
}
// A ring one way with two chords: out-degrees 1 to 3, in-degrees 1 to 2, so no matrix of shares is
// doubly stochastic.
Topology lopsided(std::size_t nodes) {
  TopologyOptions options{.kind = TopologyKind::directed_edges, .nodes = nodes};
  for (std::size_t i = 0; i < nodes; ++i) options.edges.emplace_back(i, (i + 1) % nodes);
  options.edges.emplace_back(0, 2);
  options.edges.emplace_back(0, nodes / 2 + 1);
  return graph(options);
}

// A flock whose weights can be looked at, which sum to n in every round.
class PushSum {
 public:
  PushSum(const Topology& topology, const std::vector<std::vector<float>>& starts, bool overlap)
      : topology_(topology), flock_(nodes(starts, overlap), topology) {}

  void round(const UpdateOf& update) {
    flock_.run(1, update);
    double sum = 0;
    for (const Sgp* method : methods_) sum += method->weight();
    CHECK(std::abs(sum - static_cast<double>(methods_.size())) < 1e-12);
  }
  void mix() {
    round([](std::size_t, std::span<const float>, std::span<float> update) {
      std::ranges::fill(update, 0.0f);
    });
  }
  // Takes an edge down at both ends, or up again.
  void lose(const Edge& edge) {
    flock_.give(index_of(edge.low), PeerDown{edge.high});
    flock_.give(index_of(edge.high), PeerDown{edge.low});
  }
  void bring_back(const Edge& edge, Epoch epoch) {
    flock_.give(index_of(edge.low), PeerUp{edge.high, epoch});
    flock_.give(index_of(edge.high), PeerUp{edge.low, epoch});
    flock_.pump();
  }
  double weight(std::size_t node) const { return methods_[node]->weight(); }
  Lockstep& flock() { return flock_; }

  // Σ w z / n: the mean of the x, which gossip does not move.
  std::vector<double> mean() const {
    std::vector<double> sum(flock_.model(0).size(), 0.0);
    for (std::size_t i = 0; i < methods_.size(); ++i) {
      for (std::size_t k = 0; k < sum.size(); ++k) {
        sum[k] += weight(i) * flock_.model(i)[k] / static_cast<double>(methods_.size());
      }
    }
    return sum;
  }

 private:
  std::vector<std::unique_ptr<Algorithm>> nodes(const std::vector<std::vector<float>>& starts,
                                                bool overlap) {
    std::vector<std::unique_ptr<Algorithm>> made;
    for (std::size_t i = 0; i < starts.size(); ++i) {
      std::vector<EdgeEnd> edges;
      std::vector<std::vector<double>> shares;
      for (const NodeId peer : topology_.neighbors(node_id(i))) {
        edges.push_back({node_id(i), peer});
        for (Round r = shares.emplace_back().size(); r < topology_.period(); ++r) {
          shares.back().push_back(topology_.share(node_id(i), peer, r));
        }
      }
      auto method = std::make_unique<Sgp>(starts[i], std::move(shares), starts.size());
      methods_.push_back(method.get());
      made.push_back(std::make_unique<Rounds>(std::move(method), edges, overlap));
    }
    return made;
  }

  Topology topology_;
  std::vector<const Sgp*> methods_;  // inside flock_
  Lockstep flock_;
};

double largest_difference(std::span<const float> a, std::span<const double> b) {
  double most = 0;
  for (std::size_t k = 0; k < b.size(); ++k) most = std::max(most, std::abs(a[k] - b[k]));
  return most;
}

// A body of one float and a weight.
SharedBytes body_of(float value, double weight) {
  ByteBlock block(12);
  std::memcpy(block.bytes().data(), &value, 4);
  std::memcpy(block.bytes().data() + 4, &weight, 8);
  return block;
}

}  // namespace

// Against x <- P x - u, w <- P w in double: a graph on which plain averaging would go wrong.
TEST_CASE("sgp: rounds are those of Algorithm 1, and steps are taken at x / w") {
  constexpr std::size_t kNodes = 6;
  for (const bool overlap : {false, true}) {
    for (const Topology& topology : {lopsided(kNodes), one_peer(kNodes)}) {
      CAPTURE(overlap);
      CAPTURE(topology.period());
      const auto starts = random_starts(kNodes, kSize);
      PushSum flock(topology, starts, overlap);
      std::vector<std::vector<double>> x(kNodes), z;
      for (std::size_t i = 0; i < kNodes; ++i) x[i].assign(starts[i].begin(), starts[i].end());
      std::vector<double> w(kNodes, 1.0);
      z = x;
      for (Round r = 0; r < 12; ++r) {
        std::vector<std::vector<double>> u(kNodes, std::vector<double>(kSize));
        flock.round([&](std::size_t node, std::span<const float> model, std::span<float> update) {
          CHECK(largest_difference(model, z[node]) < 1e-5);
          for (std::size_t k = 0; k < kSize; ++k) {
            update[k] = 0.1f * model[k] + 0.01f * static_cast<float>(node);
            u[node][k] = update[k];
          }
        });
        auto next = x;
        auto next_w = w;
        const auto before = [&](std::size_t i, std::size_t k) {
          return x[i][k] - (overlap ? 0 : u[i][k]);
        };
        for (std::size_t i = 0; i < kNodes; ++i) {
          double kept = 1;
          for (std::size_t j = 0; j < kNodes; ++j) {
            kept -= topology.share(node_id(i), node_id(j), r);
          }
          next_w[i] = kept * w[i];
          for (std::size_t k = 0; k < kSize; ++k) next[i][k] = kept * before(i, k);
          for (std::size_t j = 0; j < kNodes; ++j) {
            const double share = topology.share(node_id(j), node_id(i), r);
            next_w[i] += share * w[j];
            for (std::size_t k = 0; k < kSize; ++k) next[i][k] += share * before(j, k);
          }
        }
        x = next, w = next_w;
        for (std::size_t i = 0; i < kNodes; ++i) {
          for (std::size_t k = 0; k < kSize; ++k) {
            if (overlap) x[i][k] -= u[i][k];
            z[i][k] = x[i][k] / w[i];
          }
          CHECK(flock.weight(i) == doctest::Approx(w[i]).epsilon(1e-12));
          CHECK(largest_difference(flock.flock().model(i), z[i]) < 1e-5);
        }
      }
    }
  }
}

// §7: for n = 8 exact after 3 rounds.
TEST_CASE("sgp: a one-peer exponential graph averages exactly in log2 n rounds") {
  for (const std::size_t n : {2, 4, 8, 16, 64}) {
    CAPTURE(n);
    PushSum flock(one_peer(n), random_starts(n, kSize), true);
    const auto mean = flock.flock().mean();
    for (std::size_t hop = 1; hop < n; hop *= 2) {
      CHECK(flock.flock().consensus_distance(1) > 0.1);
      flock.mix();
    }
    for (std::size_t i = 0; i < n; ++i)
      CHECK(largest_difference(flock.flock().model(i), mean) < 1e-6);
  }
}

TEST_CASE("sgp: directed graphs of unequal degrees agree on the mean of the starts") {
  for (const Topology& topology : {lopsided(9), one_peer(9), ring(9)}) {
    PushSum flock(topology, random_starts(9, kSize), true);
    const auto mean = flock.flock().mean();
    for (int r = 0; r < 400; ++r) flock.mix();
    for (std::size_t i = 0; i < 9; ++i)
      CHECK(largest_difference(flock.flock().model(i), mean) < 2e-6);
  }
}

// §7: where a lost message is lost mass, 2 % of them leave Σw = 0.6 of 8 after 200 rounds and a
// mean that is 9 % off. Here an exchange counts at both ends or at neither.
TEST_CASE("sgp: links that are cut and come back cost neither weight nor mean") {
  const Topology topology = lopsided(8);
  for (const double lost : {0.02, 0.3}) {
    PushSum flock(topology, random_starts(8, kSize), true);
    const auto mean = flock.flock().mean();
    const Random chance(5, Stream::test);
    std::uint64_t draw = 0;
    Epoch epoch = 1;
    for (int r = 0; r < 400; ++r) {
      std::vector<Edge> down;
      for (const Edge& edge : topology.edges()) {
        if (chance.uniform(draw++) < lost) down.push_back(edge);
      }
      for (const Edge& edge : down) flock.lose(edge);
      flock.mix();
      ++epoch;
      for (const Edge& edge : down) flock.bring_back(edge, epoch);
    }
    for (std::size_t i = 0; i < 8; ++i)
      CHECK(largest_difference(flock.flock().model(i), mean) < 4e-6);
  }
}

TEST_CASE("sgp: a node that is lost takes its part along, and the others agree on the rest") {
  const Topology topology = one_peer(8);
  PushSum flock(topology, random_starts(8, kSize), true);
  for (int r = 0; r < 2; ++r) flock.mix();
  const NodeId dead = node_id(3);
  std::vector<double> rest(kSize, 0.0);
  double weight = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    if (node_id(i) == dead) continue;
    weight += flock.weight(i);
    for (std::size_t k = 0; k < kSize; ++k) rest[k] += flock.weight(i) * flock.flock().model(i)[k];
  }
  for (double& r : rest) r /= weight;
  for (const Edge& edge : topology.edges()) {
    if (edge.low == dead || edge.high == dead) flock.lose(edge);
  }
  for (int r = 0; r < 300; ++r) flock.mix();
  for (std::size_t i = 0; i < 8; ++i) {
    if (node_id(i) == dead) continue;
    CHECK(largest_difference(flock.flock().model(i), rest) < 2e-6);
  }
  CHECK(largest_difference(flock.flock().model(3), rest) > 1e-2);
}

// On a regular graph every share is D-PSGD's weight and w stays 1.
TEST_CASE("sgp: on a ring it is D-PSGD") {
  const Quad quad;
  Lockstep pushed(options_of(AlgorithmKind::sgp), ring(8), quad.layout(), quad.starts());
  Lockstep plain(options_of(AlgorithmKind::d_psgd), ring(8), quad.layout(), quad.starts());
  pushed.run(200, quad.step(0.02));
  plain.run(200, quad.step(0.02));
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t k = 0; k < Quad::kSize; ++k) {
      CHECK(std::abs(pushed.model(i)[k] - plain.model(i)[k]) < 1e-4);
    }
  }
}

// As D-PSGD (§7, acceptance test 5): it must not reach the optimum, and its floor halves with the
// step; and what moves the mean of the x is the steps alone.
TEST_CASE("sgp: on directed graphs the error on heterogeneous quadratics halves with the step" *
          in_release_only) {
  const Quad quad;
  for (const Topology& topology : {lopsided(8), one_peer(8)}) {
    CAPTURE(topology.period());
    std::vector<double> floors;
    for (const double rate : {0.004, 0.002, 0.001}) {
      PushSum flock(topology, quad.starts(), false);
      double drift = 0;
      const UpdateOf step = quad.step(rate);
      for (int r = 0; r < static_cast<int>(12 / rate); ++r) {
        std::vector<double> expected = flock.mean();
        flock.round([&](std::size_t node, std::span<const float> model, std::span<float> update) {
          step(node, model, update);
          for (std::size_t k = 0; k < update.size(); ++k) expected[k] -= update[k] / 8;
        });
        const auto mean = flock.mean();
        for (std::size_t k = 0; k < mean.size(); ++k) {
          drift = std::max(drift, std::abs(mean[k] - expected[k]));
        }
      }
      CHECK(drift < 4e-6);
      floors.push_back(quad.error(flock.flock()));
    }
    CAPTURE(floors[0]);
    CAPTURE(floors[1]);
    CAPTURE(floors[2]);
    CHECK(floors[2] > 1e-3);
    CHECK(floors[0] / floors[1] > 1.7);
    CHECK(floors[1] / floors[2] > 1.8);
    CHECK(floors[1] / floors[2] < 2.1);
  }
}

TEST_CASE("sgp: an edge carries a message both ways, empty where there is nothing to hand on") {
  Lockstep flock(options_of(AlgorithmKind::sgp), one_peer(8), vector_of(kSize),
                 random_starts(8, kSize));
  std::size_t empty = 0, full = 0;
  flock.on_action = [&](std::size_t, const Action& action) {
    const auto* send = std::get_if<Send>(&action);
    if (!send) return;
    CHECK((send->parcel.body.size() == 0 || send->parcel.body.size() == 4 * kSize + 8));
    ++(send->parcel.body.size() == 0 ? empty : full);
  };
  flock.mix(3);
  CHECK(full == 8 * 3);
  CHECK(empty == 8 * 5 * 3 - full);  // neighbors at 1, 2 and 4 to either side
}

TEST_CASE("sgp: a message with a wrong length, weight or number is refused") {
  const Sgp method(std::vector<float>(1, 1.0f), {}, 8);
  const auto refusal = [&](const SharedBytes& body) {
    const auto checked = method.check({}, 0, {body});
    return checked ? std::string() : checked.error().message;
  };
  CHECK(refusal({}) == "");
  CHECK(refusal(body_of(2, 0.5)) == "");
  CHECK(refusal(ByteBlock(4)) == "body has 4 bytes, expected none or 12 (1 floats and a weight)");
  for (const double weight : {0.0, -0.5, 8.5}) {
    CHECK(refusal(body_of(2, weight)).ends_with("expected one above 0 and at most 8"));
  }
  CHECK(refusal(body_of(2, NAN)) ==
        "body holds the weight nan, expected one above 0 and at most 8");
  CHECK(refusal(body_of(INFINITY, 1)) == "body holds inf at index 0, expected finite values");
}

// What was sent when the link broke is held back until it is known where it ended; handed on once
// more in every round meanwhile, the weight would fall to 0 and below when it arrives after all.
TEST_CASE("sgp: an exchange that is made up for many rounds later leaves the weight positive") {
  for (const bool counts : {true, false}) {
    // A third of what the node has goes to either neighbor, and nothing comes back.
    Sgp sender(std::vector<float>(1, 1.0f), {{1.0 / 3}, {1.0 / 3}}, 3);
    const std::vector<std::size_t> both = {0, 1}, one = {1};
    std::vector<Message> out(2);
    REQUIRE(sender.encode({0, 0}, both, out).ok());
    const Message lost = out[0];
    sender.suspend_edge(0, true);
    const auto hand_on = [&](const Message& ours) {
      const Arrival arrival{1, ours, {}};
      sender.mix({0, 0}, std::span(&arrival, 1));
    };
    hand_on(out[1]);
    double handed_on = 1.0 / 3;
    for (Round r = 1; r < 10; ++r) {
      const double before = sender.weight();
      REQUIRE(sender.encode({r, 0}, one, std::span(out).first(1)).ok());
      hand_on(out[0]);
      CHECK(sender.weight() > 0);
      handed_on += before - sender.weight();
    }
    if (counts) {
      const Arrival arrival{0, lost, {}};
      sender.mix({0, 0}, std::span(&arrival, 1));
    }
    sender.resume_edge(0);
    CHECK(sender.weight() + handed_on == doctest::Approx(counts ? 2.0 / 3 : 1));
  }
}
