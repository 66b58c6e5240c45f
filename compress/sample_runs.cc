#include "compress/sample_runs.h"

#include <algorithm>
#include <cstdint>

#include "compress/counter_random.h"
#include "protocol/check.h"

namespace starling::compress {

void sample_runs(std::span<const float> x, std::span<const float> g, std::size_t runs,
                 std::vector<float>& sample) {
  const std::size_t d = x.size();
  INVARIANT(runs * kRun <= d);
  sample.resize(runs * kRun);
  for (std::size_t j = 0; j < runs; ++j) {
    const std::size_t begin = j * d / runs, places = (j + 1) * d / runs - begin - kRun + 1;
    const std::uint64_t hash = mix32(static_cast<std::uint32_t>(j) + 1);
    const std::size_t at = begin + static_cast<std::size_t>(hash * places >> 32);
    float* to = sample.data() + j * kRun;
    std::copy_n(x.data() + at, kRun, to);
    if (g.empty()) continue;
    for (std::size_t i = 0; i < kRun; ++i) to[i] += g[at + i];
  }
}

}  // namespace starling::compress
