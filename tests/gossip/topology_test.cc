#include "gossip/topology.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace starling;
using namespace starling::gossip;

namespace {

Topology make(TopologyKind kind, std::size_t nodes, std::size_t degree = 0) {
  auto made = Topology::make({.kind = kind, .nodes = nodes, .degree = degree, .edges = {}}, 1);
  REQUIRE(made.ok());
  return *made;
}

std::string error_of(const TopologyOptions& options) {
  const auto made = Topology::make(options, 1);
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == ErrorCode::config);
  return made.error().message;
}

void check_doubly_stochastic(const Topology& t) {
  for (std::size_t i = 0; i < t.nodes(); ++i) {
    double row = t.self_weight(node_id(i));
    for (std::size_t j = 0; j < t.nodes(); ++j) {
      CHECK(t.weight(node_id(i), node_id(j)) == t.weight(node_id(j), node_id(i)));
      row += t.weight(node_id(i), node_id(j));
    }
    CHECK(row == doctest::Approx(1).epsilon(1e-15));
    CHECK(t.self_weight(node_id(i)) > 0);
  }
}

struct Row {
  TopologyKind kind;
  std::size_t nodes;
  double lambda_2, lambda_n, gap, s_opt, gap_at_s_opt;
};

}  // namespace

// The table of specification §1.2, which was computed independently of this code.
TEST_CASE("topology: eigenvalues, gap and over-relaxation match the table") {
  const std::vector<Row> table = {
      {TopologyKind::ring, 4, .33333, -.33333, .66667, 1.0000, .66667},
      {TopologyKind::ring, 8, .80474, -.33333, .19526, 1.3084, .25548},
      {TopologyKind::ring, 16, .94925, -.33333, .05075, 1.4450, .07333},
      {TopologyKind::ring, 32, .98719, -.33333, .01281, 1.4857, .01903},
      {TopologyKind::ring, 64, .99679, -.33333, .00321, 1.4964, .00480},
      {TopologyKind::torus, 9, .4, -.2, .6, 1.111, .667},
      {TopologyKind::torus, 16, .6, -.6, .4, 1, .4},
      {TopologyKind::torus, 64, .8828, -.6, .1172, 1.165, .136},
      {TopologyKind::complete, 8, 0, 0, 1, 1, 1},
      {TopologyKind::star, 8, .875, 0, .125, 1.78, .222},
      {TopologyKind::path, 8, .949, -.283, .0507, 1.5, .076},
  };
  for (const Row& row : table) {
    CAPTURE(name_of(row.kind));
    CAPTURE(row.nodes);
    const Topology topology = make(row.kind, row.nodes);
    const Spectrum s = topology.spectrum();
    CHECK(std::abs(s.lambda_2 - row.lambda_2) < 6e-4);
    CHECK(std::abs(s.lambda_n - row.lambda_n) < 6e-4);
    CHECK(std::abs(s.gap() - row.gap) < 6e-4);
    CHECK(std::abs(s.optimal_relaxation() - row.s_opt) < 6e-3);
    CHECK(std::abs(s.gap_at_optimal_relaxation() - row.gap_at_s_opt) < 6e-4);
    check_doubly_stochastic(topology);
  }
}

TEST_CASE("topology: ring eigenvalues follow the closed form") {
  const Spectrum s = make(TopologyKind::ring, 12).spectrum();
  CHECK(s.lambda_2 == doctest::Approx((1 + 2 * std::cos(2 * M_PI / 12)) / 3).epsilon(1e-13));
}

TEST_CASE("topology: the undirected exponential graph has gap 2 / log2 n") {
  for (const std::size_t n : {8, 16, 32, 64}) {
    const Topology topology = make(TopologyKind::exponential, n);
    CHECK(topology.degree(node_id(0)) == static_cast<std::size_t>(2 * std::log2(n) - 1));
    CHECK(topology.spectrum().gap() == doctest::Approx(2 / std::log2(n)).epsilon(1e-12));
  }
}

TEST_CASE("topology: a ring of two is one edge of weight one half") {
  const Topology pair = make(TopologyKind::ring, 2);
  REQUIRE(pair.edges().size() == 1);
  CHECK(pair.weight(node_id(0), node_id(1)) == 0.5);
}

TEST_CASE("topology: random-regular graphs are regular, connected and fixed by the seed") {
  for (const std::size_t degree : {3, 4, 7}) {
    const Topology a = make(TopologyKind::random_regular, 20, degree);
    for (std::size_t i = 0; i < 20; ++i) CHECK(a.degree(node_id(i)) == degree);
    CHECK(a.spectrum().gap() > 0);
    CHECK(make(TopologyKind::random_regular, 20, degree).edges() == a.edges());
    const auto other = Topology::make(
        {.kind = TopologyKind::random_regular, .nodes = 20, .degree = degree, .edges = {}}, 2);
    CHECK(other->edges() != a.edges());
  }
}

TEST_CASE("topology: neighbors ascend and edges are listed once") {
  const Topology t = *Topology::make(
      {.kind = TopologyKind::edges, .nodes = 4, .degree = 0, .edges = {{3, 0}, {1, 0}, {2, 3}}}, 1);
  CHECK(t.neighbors(node_id(0)) == std::vector{node_id(1), node_id(3)});
  CHECK(t.edges().size() == 3);
  // Metropolis: 1 / (1 + the larger degree).
  CHECK(t.weight(node_id(0), node_id(1)) == doctest::Approx(1.0 / 3));
  CHECK(t.weight(node_id(1), node_id(2)) == 0);
}

// Push-sum's matrix of shares, P_ji = what i hands to j, has columns that sum to 1.
TEST_CASE("topology: shares of a node sum to 1 with what it keeps, in every round") {
  const TopologyOptions listed{.kind = TopologyKind::directed_edges,
                               .nodes = 4,
                               .edges = {{0, 1}, {1, 2}, {2, 3}, {3, 0}, {0, 2}, {2, 0}}};
  for (const Topology& t : {*Topology::make(listed, 1), make(TopologyKind::one_peer_exponential, 7),
                            make(TopologyKind::star, 5)}) {
    for (Round round = 0; round < 2 * t.period(); ++round) {
      for (std::size_t i = 0; i < t.nodes(); ++i) {
        double handed = 0, receivers = 0;
        for (std::size_t j = 0; j < t.nodes(); ++j) {
          const double share = t.share(node_id(i), node_id(j), round);
          CHECK(share == t.share(node_id(i), node_id(j), round + t.period()));
          handed += share;
          if (share > 0) receivers += 1;
        }
        CHECK(receivers > 0);
        CHECK(handed == doctest::Approx(receivers / (1 + receivers)).epsilon(1e-15));
      }
    }
  }
}

TEST_CASE("topology: listed ways are directed, and a link stands for both of a pair") {
  const Topology t = *Topology::make(
      {.kind = TopologyKind::directed_edges, .nodes = 3, .edges = {{0, 1}, {1, 2}, {2, 0}, {1, 0}}},
      1);
  CHECK(t.is_directed());
  CHECK(t.period() == 1);
  CHECK(t.ways().size() == 4);
  CHECK(t.edges().size() == 3);
  CHECK(t.neighbors(node_id(0)) == std::vector{node_id(1), node_id(2)});
  CHECK(t.share(node_id(1), node_id(2), 5) == doctest::Approx(1.0 / 3));
  CHECK(t.share(node_id(0), node_id(1), 0) == 0.5);
  CHECK(t.share(node_id(0), node_id(2), 0) == 0);
  CHECK(t.weight(node_id(0), node_id(2)) == 0);
  CHECK(t.has_edge(node_id(0), node_id(2)));
  CHECK(t.self_weight(node_id(0)) == 0.5);
  CHECK_FALSE(make(TopologyKind::ring, 3).is_directed());
}

// §7: node i sends to i + 2^(r mod log2 n), one node a round.
TEST_CASE("topology: the one-peer exponential graph takes turns") {
  const Topology t = make(TopologyKind::one_peer_exponential, 8);
  CHECK(t.period() == 3);
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(t.degree(node_id(i)) == 5);
    for (Round round = 0; round < 6; ++round) {
      const std::size_t to = (i + (std::size_t{1} << round % 3)) % 8;
      for (std::size_t j = 0; j < 8; ++j) {
        CHECK(t.share(node_id(i), node_id(j), round) == (j == to ? 0.5 : 0));
      }
    }
  }
}

TEST_CASE("topology: a directed graph that is not one is refused with the reason") {
  const auto listed = [](std::vector<std::pair<std::size_t, std::size_t>> edges) {
    return error_of({.kind = TopologyKind::directed_edges, .nodes = 3, .edges = edges});
  };
  CHECK(listed({{0, 1}, {1, 2}, {2, 3}}) ==
        "[topology] edges: found node 3 in the edge 2-3, expected 0 to 2");
  CHECK(listed({{0, 1}, {1, 1}}) ==
        "[topology] edges: found the edge 1-1, a node is no neighbor of its own");
  CHECK(listed({{0, 1}, {1, 0}, {0, 1}}) ==
        "[topology] edges: the edge 0-1 stands twice in the same direction, expected once");
  CHECK(listed({{0, 1}, {1, 2}}) ==
        "[topology] edges: the directed graph is not strongly connected, no way leads from node 1 "
        "to node 0; add one");
  CHECK(listed({{0, 1}, {1, 0}, {2, 0}}) ==
        "[topology] edges: the directed graph is not strongly connected, no way leads from node 0 "
        "to node 2; add one");
}

TEST_CASE("topology: what cannot be a flock is refused with the reason") {
  CHECK(error_of({.kind = TopologyKind::ring, .nodes = 1, .degree = 0, .edges = {}}) ==
        "[topology] nodes: found 1, a flock has at least 2");
  CHECK(error_of({.kind = TopologyKind::torus, .nodes = 10, .degree = 0, .edges = {}}) ==
        "[topology] nodes: found 10, a torus needs a product of two numbers of at least 3, such as "
        "9, 12, 15 or 16; choose another number or kind = \"ring\"");
  CHECK(error_of({.kind = TopologyKind::random_regular, .nodes = 5, .degree = 3, .edges = {}}) ==
        "[topology] degree: found 3 for 5 nodes, a random regular graph needs a degree from 2 to 4 "
        "with nodes * degree even");
  const auto listed = [](std::vector<std::pair<std::size_t, std::size_t>> edges) {
    return error_of({.kind = TopologyKind::edges, .nodes = 4, .degree = 0, .edges = edges});
  };
  CHECK(listed({{0, 1}, {1, 4}}) ==
        "[topology] edges: found node 4 in the edge 1-4, expected 0 to 3");
  CHECK(listed({{0, 1}, {2, 2}}) ==
        "[topology] edges: found the edge 2-2, a node is no neighbor of its own");
  CHECK(listed({{0, 1}, {1, 0}}) == "[topology] edges: the edge 0-1 stands twice, expected once");
  CHECK(listed({{0, 1}, {2, 3}}) ==
        "[topology] edges: the graph is not connected, node 0 does not reach node 2; add an edge "
        "between the parts");
}

TEST_CASE(
    "topology: a graph with nodes that have left is that of the others, under their numbers") {
  const std::vector<std::size_t> left = {0, 3};
  const std::vector<NodeId> present = {node_id(1), node_id(2), node_id(4), node_id(5), node_id(6),
                                       node_id(7), node_id(8), node_id(9), node_id(10)};
  for (const TopologyKind kind : {TopologyKind::ring, TopologyKind::torus, TopologyKind::star,
                                  TopologyKind::random_regular}) {
    CAPTURE(name_of(kind));
    const std::size_t degree = kind == TopologyKind::random_regular ? 4 : 0;
    const auto made =
        Topology::make({.kind = kind, .nodes = 11, .degree = degree, .left = left}, 1);
    REQUIRE(made.ok());
    const Topology whole = make(kind, 9, degree);
    CHECK(made->nodes() == 11);
    CHECK(made->present() == present);
    CHECK(made->has_left(node_id(3)));
    CHECK(made->degree(node_id(0)) == 0);
    REQUIRE(made->edges().size() == whole.edges().size());
    for (std::size_t i = 0; i < whole.edges().size(); ++i) {
      const Edge& edge = whole.edges()[i];
      CHECK(made->edges()[i] ==
            Edge{present[index_of(edge.low)], present[index_of(edge.high)], edge.weight});
    }
    CHECK(made->spectrum().lambda_2 == doctest::Approx(whole.spectrum().lambda_2));
    CHECK(made->spectrum().lambda_n == doctest::Approx(whole.spectrum().lambda_n));
  }
  const auto ways =
      Topology::make({.kind = TopologyKind::one_peer_exponential, .nodes = 6, .left = {1, 2}}, 1);
  REQUIRE(ways.ok());
  CHECK(ways->share(node_id(0), node_id(3), 0) == 0.5);
  CHECK(ways->share(node_id(0), node_id(4), 1) == 0.5);
}

TEST_CASE("topology: an edge to a node that has left, or too few that have not, are refused") {
  CHECK(
      error_of({.kind = TopologyKind::edges, .nodes = 4, .edges = {{0, 1}, {1, 3}}, .left = {3}}) ==
      "[topology] edges: found node 3 in the edge 1-3, and that one has left");
  CHECK(error_of({.kind = TopologyKind::edges, .nodes = 4, .edges = {{1, 2}}, .left = {0}}) ==
        "[topology] edges: the graph is not connected, node 1 does not reach node 3; add an edge "
        "between the parts");
  CHECK(error_of({.kind = TopologyKind::ring, .nodes = 4, .left = {0, 1, 2}}) ==
        "[topology] nodes: found 1, a flock has at least 2");
}
