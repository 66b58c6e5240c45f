#include "compress/finite.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace starling::compress {
namespace {

constexpr std::uint32_t kExponent = 0x7f800000;

bool non_finite(float x) { return (std::bit_cast<std::uint32_t>(x) & kExponent) == kExponent; }

}  // namespace

std::optional<std::size_t> first_non_finite(std::span<const float> x) {
  constexpr std::size_t kBlock = 4096;
  for (std::size_t begin = 0; begin < x.size(); begin += kBlock) {
    const auto block = x.subspan(begin, std::min(kBlock, x.size() - begin));
    std::uint32_t found = 0;  // no early exit inside a block, so that it vectorises
    for (const float value : block) found |= non_finite(value);
    if (!found) continue;
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (non_finite(block[i])) return begin + i;
    }
  }
  return std::nullopt;
}

}  // namespace starling::compress
