#include "gossip/graphs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "protocol/random.h"

namespace starling::gossip {
namespace {

Error config_error(std::string message) { return {ErrorCode::config, std::move(message)}; }

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
  for (std::uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
    PlainEdges edges = pair_stubs(n, degree, Random(seed, Stream::topology, {attempt}));
    if (!edges.empty() && !first_unreached(n, edges)) return edges;
  }
  return config_error(fmt::format(
      "[topology] degree: no connected graph of degree {} on {} nodes was found in {} draws; raise "
      "the degree or change [run] seed",
      degree, n, kAttempts));
}

}  // namespace

std::optional<std::size_t> first_unreached(std::size_t nodes, const PlainEdges& edges,
                                           Along along) {
  std::vector<std::vector<std::size_t>> next(nodes);
  for (const auto& [a, b] : edges) {
    if (along != Along::backward) next[a].push_back(b);
    if (along != Along::forward) next[b].push_back(a);
  }
  std::vector<bool> reached(nodes, false);
  std::vector<std::size_t> open = {0};
  reached[0] = true;
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    for (const std::size_t other : next[node]) {
      if (reached[other]) continue;
      reached[other] = true;
      open.push_back(other);
    }
  }
  const auto lost = std::ranges::find(reached, false);
  if (lost == reached.end()) return std::nullopt;
  return static_cast<std::size_t>(lost - reached.begin());
}

Result<PlainEdges> generate_edges(const TopologyOptions& options, std::uint64_t seed) {
  const std::size_t n = options.nodes;
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
    case TopologyKind::directed_edges: return options.edges;
  }
  return options.edges;
}

}  // namespace starling::gossip
