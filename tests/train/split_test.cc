#include "train/split.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "train/sampling.h"

using namespace starling;
using namespace starling::train;

namespace {

constexpr std::size_t kRows = 1003;
constexpr std::uint32_t kClasses = 10;

std::vector<std::uint32_t> labels() {
  std::vector<std::uint32_t> labels(kRows);
  for (std::uint32_t row = 0; row < kRows; ++row) labels[row] = row * 7 % kClasses;
  return labels;
}

bool is_partition(const std::vector<Share>& shares, std::size_t rows) {
  std::vector<int> seen(rows);
  for (const Share& share : shares) {
    if (share.empty() || !std::is_sorted(share.begin(), share.end())) return false;
    for (const std::uint32_t row : share) ++seen.at(row);
  }
  return std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; });
}

std::pair<std::size_t, std::size_t> size_range(const std::vector<Share>& shares) {
  const auto [least, most] =
      std::minmax_element(shares.begin(), shares.end(),
                          [](const Share& a, const Share& b) { return a.size() < b.size(); });
  return {least->size(), most->size()};
}

// The mean over the nodes of the share of a node's rows that its commonest class has.
double skew(const std::vector<Share>& shares) {
  double sum = 0;
  for (const Share& share : shares) {
    std::vector<double> count(kClasses);
    for (const std::uint32_t row : share) ++count[labels()[row]];
    sum += *std::max_element(count.begin(), count.end()) / static_cast<double>(share.size());
  }
  return sum / static_cast<double>(shares.size());
}

}  // namespace

TEST_CASE("split: every kind gives every row to exactly one node and no node nothing") {
  for (const Split kind : {Split::iid, Split::dirichlet, Split::by_label}) {
    for (const std::size_t nodes : {1, 2, 8, 100}) {
      CAPTURE(nodes);
      const auto shares = split_rows(labels(), nodes, {.kind = kind, .alpha = 0.3, .seed = 5});
      CHECK(shares.size() == nodes);
      CHECK(is_partition(shares, kRows));
    }
  }
}

TEST_CASE("split: iid and by-label shares differ by at most one row") {
  for (const Split kind : {Split::iid, Split::by_label}) {
    const auto [least, most] = size_range(split_rows(labels(), 8, {.kind = kind, .seed = 5}));
    CHECK(most - least <= 1);
  }
}

TEST_CASE("split: the same seed cuts the same, another seed does not") {
  for (const Split kind : {Split::iid, Split::dirichlet}) {
    const auto shares = split_rows(labels(), 8, {.kind = kind, .seed = 5});
    CHECK(shares == split_rows(labels(), 8, {.kind = kind, .seed = 5}));
    CHECK(shares != split_rows(labels(), 8, {.kind = kind, .seed = 6}));
  }
}

TEST_CASE("split: by-label blocks hold neighbouring labels only") {
  const auto shares = split_rows(labels(), kClasses, {.kind = Split::by_label});
  CHECK(skew(shares) > 0.95);
  CHECK(labels()[shares.front().front()] == 0);
  CHECK(labels()[shares.back().back()] == kClasses - 1);
}

TEST_CASE("split: a smaller alpha is more uneven, a huge one is nearly iid") {
  const auto dirichlet = [](double alpha) {
    return skew(split_rows(labels(), 8, {.kind = Split::dirichlet, .alpha = alpha, .seed = 5}));
  };
  CHECK(dirichlet(0.1) > dirichlet(1));
  CHECK(dirichlet(1) > dirichlet(1000));
  CHECK(dirichlet(0.1) > 0.5);
  CHECK(dirichlet(1000) < 0.15);
}

TEST_CASE("split: nodes that no draw feeds get a row from the largest share") {
  const std::vector<std::uint32_t> one_class(50, 0);
  const auto shares =
      split_rows(one_class, 40, {.kind = Split::dirichlet, .alpha = 1e-6, .seed = 1});
  CHECK(is_partition(shares, 50));
  CHECK(size_range(shares).first == 1);
  const auto full = split_rows(one_class, 50, {.kind = Split::dirichlet, .alpha = 0.01});
  CHECK(size_range(full) == std::pair<std::size_t, std::size_t>{1, 1});
}

TEST_CASE("sampling: gamma variates have mean and variance equal to their shape") {
  for (const double shape : {0.3, 1.0, 4.5}) {
    CAPTURE(shape);
    constexpr std::uint64_t kDraws = 50'000;
    double sum = 0, squares = 0;
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      const double g = std::exp(log_gamma_variate(Random(3, Stream::test, {i}), shape));
      sum += g;
      squares += g * g;
    }
    const double mean = sum / kDraws, variance = squares / kDraws - mean * mean;
    CHECK(mean == doctest::Approx(shape).epsilon(0.03));
    CHECK(variance == doctest::Approx(shape).epsilon(0.06));
  }
}

TEST_CASE("sampling: a shape of 1e-6 still has a logarithm") {
  for (std::uint64_t i = 0; i < 1000; ++i) {
    CHECK(std::isfinite(log_gamma_variate(Random(3, Stream::test, {i}), 1e-6)));
  }
}

TEST_CASE("sampling: a shuffle keeps the items and moves them") {
  std::vector<std::uint32_t> items(100), before;
  std::iota(items.begin(), items.end(), 0U);
  before = items;
  shuffle(Random(1, Stream::test), items);
  CHECK(items != before);
  CHECK(std::is_permutation(items.begin(), items.end(), before.begin()));
}
