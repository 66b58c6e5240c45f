#include <bit>

#include "compress/kernels/read.h"

namespace starling::compress::ref {

std::uint64_t read_all(std::span<const float> x) {
  std::uint64_t bits = 0;
  for (const float value : x) bits |= std::bit_cast<std::uint32_t>(value);
  return bits;
}

}  // namespace starling::compress::ref
