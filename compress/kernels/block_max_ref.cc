#include <algorithm>

#include "compress/buckets.h"
#include "compress/kernels/block_max.h"
#include "compress/kernels/select.h"

namespace starling::compress::ref {

std::uint32_t block_maxima(std::span<const float> x, std::size_t block,
                           std::span<std::uint32_t> where) {
  std::uint32_t largest = 0;
  for (const Bucket& b : Buckets(x.size(), block)) {
    const auto in = x.subspan(b.begin, b.size);
    const auto most = std::ranges::max_element(in, {}, magnitude);
    where[b.index] = static_cast<std::uint32_t>(most - in.begin());
    largest = std::max(largest, magnitude(*most));
  }
  return largest;
}

}  // namespace starling::compress::ref
