// The fused rank-1 projection p = Xv, q = Xᵀp on 4096 × 4096 against the rate at which one core
// reads that much memory, measured in turn in the same run. Prints both in GB/s and the median
// ratio.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "compress/kernels/projection.h"
#include "protocol/random.h"

namespace {

using namespace starling;
using Clock = std::chrono::steady_clock;

// Adds up the words of `memory`: as little work a byte as reading it can be.
__attribute__((target_clones("avx512f", "avx2", "default"))) std::uint64_t read_all(
    const std::uint64_t* memory, std::size_t words) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < words; ++i) sum += memory[i];
  return sum;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

template <class Work>
double gigabytes_per_second(double bytes, Work&& work) {
  const auto begin = Clock::now();
  work();
  return bytes / std::chrono::duration<double>(Clock::now() - begin).count() / 1e9;
}

}  // namespace

int main() {
  constexpr compress::MatrixShape kShape{4096, 4096};
  constexpr int kPairs = 41;
  std::vector<float> x(kShape.size()), v(kShape.columns), p(kShape.rows), q(kShape.columns);
  Random(1, Stream::test, {1}).fill_normal(x);
  Random(1, Stream::test, {2}).fill_normal(v);
  const std::vector<std::uint64_t> memory(kShape.size() / 2, 1);
  const double bytes = static_cast<double>(kShape.size() * sizeof(float));

  std::vector<double> reads, projections, plain, ratios;
  std::uint64_t sink = 0;
  for (int pair = 0; pair < kPairs; ++pair) {
    reads.push_back(
        gigabytes_per_second(bytes, [&] { sink += read_all(memory.data(), memory.size()); }));
    projections.push_back(
        gigabytes_per_second(bytes, [&] { compress::project_both(x, kShape, v, p, q); }));
    ratios.push_back(projections.back() / reads.back());
  }
  for (int pair = 0; pair < 5; ++pair) {
    plain.push_back(
        gigabytes_per_second(bytes, [&] { compress::ref::project_both(x, kShape, v, p, q); }));
  }
  fmt::print(
      "read {:.2f} GB/s, fused projection {:.2f} GB/s, plain twin {:.2f} GB/s (medians of {} "
      "pairs, check {})\n",
      median(reads), median(projections), median(plain), kPairs, sink);
  fmt::print("ratio projection/read: {:.3f}\n", median(ratios));
}
