#include "train/batches.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

using namespace starling;
using namespace starling::train;

namespace {

std::vector<std::uint32_t> copy_at(Batches& batches, std::uint64_t step) {
  const auto batch = batches.at(step);
  return {batch.begin(), batch.end()};
}

std::vector<std::uint32_t> steps(Batches& batches, std::uint64_t begin, std::uint64_t end) {
  std::vector<std::uint32_t> all;
  for (std::uint64_t step = begin; step < end; ++step) {
    for (const std::uint32_t position : batches.at(step)) all.push_back(position);
  }
  return all;
}

}  // namespace

TEST_CASE("batches: every epoch uses every row once, also where a batch spans two") {
  Batches batches(1, NodeId{0}, 10, 4);
  const auto rows = steps(batches, 0, 5);  // 20 rows: two epochs
  std::vector<std::uint32_t> all(10);
  std::iota(all.begin(), all.end(), 0U);
  CHECK(std::is_permutation(all.begin(), all.end(), rows.begin(), rows.begin() + 10));
  CHECK(std::is_permutation(all.begin(), all.end(), rows.begin() + 10, rows.end()));
  CHECK_FALSE(std::equal(rows.begin(), rows.begin() + 10, rows.begin() + 10));
}

TEST_CASE("batches: a jump gives the same rows as the way there") {
  Batches walker(7, NodeId{3}, 37, 5), jumper(7, NodeId{3}, 37, 5);
  for (std::uint64_t step = 0; step < 1000; ++step) walker.at(step);
  CHECK(copy_at(walker, 1000) == copy_at(jumper, 1000));
  CHECK(copy_at(walker, 3) == copy_at(jumper, 3));
}

TEST_CASE("batches: nodes and seeds have orders of their own") {
  Batches a(7, NodeId{3}, 100, 20), b(7, NodeId{4}, 100, 20), c(8, NodeId{3}, 100, 20);
  const auto first = copy_at(a, 0);
  CHECK(first != copy_at(b, 0));
  CHECK(first != copy_at(c, 0));
}

TEST_CASE("batches: a batch of 0 or above the share is the whole share in order") {
  for (const std::size_t batch : {0, 3, 4, 1000}) {
    Batches batches(1, NodeId{0}, 3, batch);
    CHECK(batches.whole_share());
    CHECK(copy_at(batches, 5) == std::vector<std::uint32_t>{0, 1, 2});
  }
}
