// The k-th largest magnitude of a list, by counting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace starling::compress {

struct MagnitudeRange {
  std::uint32_t low = 0, high = 0x7fffffff;
};

// The k-th largest of magnitude(x_i), all of which lie within the range; 1 <= k <= x.size() < 2^32.
// Radix select: 11 bits of the range a round (7 where few are left), each round over those of the
// round before that fell into the k-th one's bin. `rest` is scratch. Every thread.
std::uint32_t kth_magnitude(std::span<const float> x, std::size_t k, MagnitudeRange range,
                            std::vector<std::uint32_t>& rest);

}  // namespace starling::compress
