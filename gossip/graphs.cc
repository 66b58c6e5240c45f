#include "gossip/graphs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "protocol/check.h"
#include "protocol/random.h"

namespace starling::gossip {
namespace {

PlainEdges ring(std::size_t n) {
  PlainEdges edges;
  for (std::size_t i = 0; i < n; ++i) edges.emplace_back(i, (i + 1) % n);
  if (n == 1) edges.clear();
  return edges;
}

PlainEdges path(std::size_t n) {
  PlainEdges edges;
  for (std::size_t i = 0; i + 1 < n; ++i) edges.emplace_back(i, i + 1);
  return edges;
}

PlainEdges star(std::size_t n) {
  PlainEdges edges;
  for (std::size_t i = 1; i < n; ++i) edges.emplace_back(0, i);
  return edges;
}

PlainEdges complete(std::size_t n) {
  PlainEdges edges;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i + 1; j < n; ++j) edges.emplace_back(i, j);
  }
  return edges;
}

// Neighbors at the distances 1, 2, 4 … below n, in both directions.
PlainEdges exponential(std::size_t n) {
  PlainEdges edges;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t hop = 1; hop < n; hop *= 2) edges.emplace_back(i, (i + hop) % n);
  }
  return edges;
}

// A side of two would close on itself and give an edge twice, so both sides are at least 3.
Result<PlainEdges> torus(std::size_t n) {
  std::size_t rows = 0;
  for (std::size_t side = 3; side * side <= n; ++side) {
    if (n % side == 0) rows = side;
  }
  if (rows == 0) {
    return config_error(fmt::format(
        "[topology] nodes: found {}, a torus needs a product of two numbers of at least 3, such as "
        "9, 12, 15 or 16; choose another number or kind = \"ring\"",
        n));
  }
  const std::size_t columns = n / rows;
  PlainEdges edges;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      edges.emplace_back(r * columns + c, r * columns + (c + 1) % columns);
      edges.emplace_back(r * columns + c, ((r + 1) % rows) * columns + c);
    }
  }
  return edges;
}

using EdgeSet = std::set<std::pair<std::size_t, std::size_t>>;

std::pair<std::size_t, std::size_t> ordered(std::size_t a, std::size_t b) {
  return {std::min(a, b), std::max(a, b)};
}

// Steger & Wormald 1999: pairs the stubs at random, leaving out loops and double edges, until none
// is left or no legal pair remains; empty in that case.
PlainEdges pair_stubs(std::size_t n, std::size_t degree, const Random& random) {
  std::vector<std::size_t> stubs(n * degree);
  for (std::size_t i = 0; i < stubs.size(); ++i) stubs[i] = i / degree;
  EdgeSet edges;
  std::uint64_t draw = 0;
  for (std::size_t misses = 0; !stubs.empty() && misses < 100 + stubs.size() * stubs.size();) {
    const std::size_t i = random.below(draw++, stubs.size());
    const std::size_t j = random.below(draw++, stubs.size());
    if (stubs[i] == stubs[j] || edges.contains(ordered(stubs[i], stubs[j]))) {
      ++misses;
      continue;
    }
    edges.insert(ordered(stubs[i], stubs[j]));
    for (const std::size_t k : {std::max(i, j), std::min(i, j)}) {
      stubs[k] = stubs.back();
      stubs.pop_back();
    }
    misses = 0;
  }
  if (!stubs.empty()) return {};
  return {edges.begin(), edges.end()};
}

Result<PlainEdges> random_regular(std::size_t n, std::size_t degree, std::uint64_t seed) {
  if (degree < 2 || degree >= n || n * degree % 2 != 0) {
    return config_error(fmt::format(
        "[topology] degree: found {} for {} nodes, a random regular graph needs a degree from 2 to "
        "{} with nodes * degree even",
        degree, n, n == 0 ? 0 : n - 1));
  }
  constexpr std::uint64_t kAttempts = 1000;
  std::vector<std::size_t> all(n);
  std::iota(all.begin(), all.end(), std::size_t{0});
  for (std::uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
    PlainEdges edges = pair_stubs(n, degree, Random(seed, Stream::topology, {attempt}));
    if (!edges.empty() && !first_unreached(all, edges)) return edges;
  }
  return config_error(fmt::format(
      "[topology] degree: no connected graph of degree {} on {} nodes was found in {} draws; raise "
      "the degree or change [run] seed",
      degree, n, kAttempts));
}

}  // namespace

std::vector<std::size_t> present_nodes(const TopologyOptions& options) {
  std::vector<std::size_t> present;
  for (std::size_t i = 0; i < options.nodes; ++i) {
    if (!std::ranges::binary_search(options.left, i)) present.push_back(i);
  }
  return present;
}

Result<void> check_present(const TopologyOptions& options) {
  for (const auto& [a, b] : options.edges) {
    for (const std::size_t end : {a, b}) {
      if (!std::ranges::binary_search(options.left, end)) continue;
      return config_error(fmt::format(
          "[topology] edges: found node {} in the edge {}-{}, and that one has left", end, a, b));
    }
  }
  return {};
}

std::optional<std::size_t> first_unreached(std::span<const std::size_t> nodes,
                                           const PlainEdges& edges, Along along) {
  std::vector<std::vector<std::size_t>> next(nodes.back() + 1);
  for (const auto& [a, b] : edges) {
    if (along != Along::backward) next[a].push_back(b);
    if (along != Along::forward) next[b].push_back(a);
  }
  std::vector<bool> reached(next.size(), false);
  std::vector<std::size_t> open = {nodes.front()};
  reached[nodes.front()] = true;
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    for (const std::size_t other : next[node]) {
      if (reached[other]) continue;
      reached[other] = true;
      open.push_back(other);
    }
  }
  const auto lost = std::ranges::find_if(nodes, [&](std::size_t node) { return !reached[node]; });
  if (lost == nodes.end()) return std::nullopt;
  return *lost;
}

namespace {

// On as many nodes, without gaps.
Result<PlainEdges> generate_dense(const TopologyOptions& options, std::size_t n,
                                  std::uint64_t seed) {
  switch (options.kind) {
    case TopologyKind::ring: return ring(n);
    case TopologyKind::torus: return torus(n);
    case TopologyKind::exponential: return exponential(n);
    case TopologyKind::complete: return complete(n);
    case TopologyKind::star: return star(n);
    case TopologyKind::path: return path(n);
    case TopologyKind::random_regular: return random_regular(n, options.degree, seed);
    case TopologyKind::edges:
    case TopologyKind::one_peer_exponential:  // directed: ways.h
    case TopologyKind::directed_edges: break;
  }
  INVARIANT(!"a listed graph is not generated");
}

}  // namespace

Result<PlainEdges> generate_edges(const TopologyOptions& options, std::uint64_t seed) {
  if (options.kind == TopologyKind::edges) return options.edges;
  const std::vector<std::size_t> present = present_nodes(options);
  Result<PlainEdges> edges = generate_dense(options, present.size(), seed);
  if (!edges) return edges;
  for (auto& [a, b] : *edges) {
    a = present[a];
    b = present[b];
  }
  return edges;
}

}  // namespace starling::gossip
