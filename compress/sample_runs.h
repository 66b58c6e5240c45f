// A few elements of a long vector, for estimates of where its large magnitudes begin.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace starling::compress {

constexpr std::size_t kRun = 16;  // floats of a cache line

// `runs` runs of 16 elements of x, or of x + g where g is not empty, one at a random place of each
// of as many equal parts. The places are the same for every vector of that size. x.size() is at
// least 16 · runs.
void sample_runs(std::span<const float> x, std::span<const float> g, std::size_t runs,
                 std::vector<float>& sample);

}  // namespace starling::compress
