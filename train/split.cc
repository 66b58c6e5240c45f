#include "train/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "protocol/check.h"
#include "protocol/random.h"
#include "train/sampling.h"

namespace starling::train {
namespace {

// Last parts of the random keys, so that the uses of Stream::data_split stay apart.
enum Use : std::uint64_t { kPermutation, kClassOrder, kProportions };

std::vector<std::uint32_t> numbered(std::size_t count) {
  std::vector<std::uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

std::vector<Share> equal_blocks(const std::vector<std::uint32_t>& rows, std::size_t nodes) {
  std::vector<Share> shares;
  for (std::size_t node = 0; node < nodes; ++node) {
    const auto cut = [&](std::size_t n) {
      return rows.begin() + static_cast<std::ptrdiff_t>(rows.size() * n / nodes);
    };
    shares.emplace_back(cut(node), cut(node + 1));
  }
  return shares;
}

std::vector<std::vector<std::uint32_t>> shuffled_classes(std::span<const std::uint32_t> labels,
                                                         std::uint64_t seed) {
  const std::uint32_t last = *std::max_element(labels.begin(), labels.end());
  std::vector<std::vector<std::uint32_t>> classes(std::size_t{last} + 1);
  for (std::uint32_t row = 0; row < labels.size(); ++row) classes[labels[row]].push_back(row);
  for (std::uint64_t label = 0; label < classes.size(); ++label) {
    shuffle(Random(seed, Stream::data_split, {kClassOrder, label}), classes[label]);
  }
  return classes;
}

// One draw from Dir(alpha·1), as normalised gamma variates.
std::vector<double> proportions(std::size_t nodes, const SplitOptions& options,
                                std::uint64_t attempt, std::uint64_t label) {
  std::vector<double> p(nodes);
  for (std::uint64_t node = 0; node < nodes; ++node) {
    const Random random(options.seed, Stream::data_split, {kProportions, attempt, label, node});
    p[node] = log_gamma_variate(random, options.alpha);
  }
  const double largest = *std::max_element(p.begin(), p.end());
  for (double& value : p) value = std::exp(value - largest);
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
  return p;
}

std::vector<Share> dirichlet_draw(const std::vector<std::vector<std::uint32_t>>& classes,
                                  std::size_t nodes, const SplitOptions& options,
                                  std::uint64_t attempt) {
  std::vector<Share> shares(nodes);
  for (std::size_t label = 0; label < classes.size(); ++label) {
    const std::vector<std::uint32_t>& rows = classes[label];
    const std::vector<double> p = proportions(nodes, options, attempt, label);
    double cumulative = 0;
    std::size_t begin = 0;
    for (std::size_t node = 0; node < nodes; ++node) {
      cumulative += p[node];
      const double cut = std::floor(cumulative * static_cast<double>(rows.size()) + 0.5);
      const std::size_t end = node + 1 == nodes
                                  ? rows.size()
                                  : std::clamp(static_cast<std::size_t>(cut), begin, rows.size());
      shares[node].insert(shares[node].end(), rows.begin() + static_cast<std::ptrdiff_t>(begin),
                          rows.begin() + static_cast<std::ptrdiff_t>(end));
      begin = end;
    }
  }
  return shares;
}

bool smaller(const Share& a, const Share& b) { return a.size() < b.size(); }

bool has_empty(const std::vector<Share>& shares) {
  return std::min_element(shares.begin(), shares.end(), smaller)->empty();
}

void feed_empty(std::vector<Share>& shares) {
  for (Share& share : shares) {
    if (!share.empty()) continue;
    Share& largest = *std::max_element(shares.begin(), shares.end(), smaller);
    share.push_back(largest.back());
    largest.pop_back();
  }
}

std::vector<Share> dirichlet(std::span<const std::uint32_t> labels, std::size_t nodes,
                             const SplitOptions& options) {
  INVARIANT(options.alpha > 0);
  const auto classes = shuffled_classes(labels, options.seed);
  std::vector<Share> shares;
  for (std::uint64_t attempt = 0; attempt < kSplitAttempts; ++attempt) {
    shares = dirichlet_draw(classes, nodes, options, attempt);
    if (!has_empty(shares)) return shares;
  }
  feed_empty(shares);
  return shares;
}

}  // namespace

std::vector<Share> split_rows(std::span<const std::uint32_t> labels, std::size_t nodes,
                              const SplitOptions& options) {
  INVARIANT(nodes >= 1 && labels.size() >= nodes);
  std::vector<Share> shares;
  if (options.kind == Split::dirichlet) {
    shares = dirichlet(labels, nodes, options);
  } else {
    std::vector<std::uint32_t> rows = numbered(labels.size());
    if (options.kind == Split::iid) {
      shuffle(Random(options.seed, Stream::data_split, {kPermutation}), rows);
    } else {
      std::stable_sort(rows.begin(), rows.end(),
                       [&](std::uint32_t a, std::uint32_t b) { return labels[a] < labels[b]; });
    }
    shares = equal_blocks(rows, nodes);
  }
  for (Share& share : shares) std::sort(share.begin(), share.end());
  return shares;
}

}  // namespace starling::train
