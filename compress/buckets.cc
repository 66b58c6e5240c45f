#include "compress/buckets.h"

#include <fmt/format.h>

#include <cmath>

#include "compress/header.h"

namespace starling::compress {

Result<void> check_scales(const std::byte* scales, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto scale = load<float>(scales + i * sizeof(float));
    if (std::isfinite(scale) && !std::signbit(scale)) continue;
    return refused(fmt::format("scale of bucket {}", i), scale, "a finite number of at least 0");
  }
  return {};
}

Result<void> check_padding(const std::byte* bytes, std::size_t bits) {
  if (bits % 8 == 0) return {};
  const unsigned left = std::to_integer<unsigned>(bytes[bits / 8]) >> (bits % 8);
  return expect("padding bits", left, 0);
}

}  // namespace starling::compress
