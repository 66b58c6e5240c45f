#include <bit>
#include <cmath>

#include "compress/half_floats.h"
#include "compress/header.h"
#include "compress/kernels/cast.h"

namespace starling::compress::ref {
namespace {

bool within(float value, Half format) {
  return (std::bit_cast<std::uint32_t>(value) & 0x7fffffff) < first_outside(format);
}

}  // namespace

bool round_to_halves(std::span<const float> x, Half format, std::byte* halves) {
  bool inside = true;
  for (std::size_t i = 0; i < x.size(); ++i) {
    inside = inside && within(x[i], format);
    store(format == Half::bfloat16 ? to_bfloat16(x[i]) : to_float16(x[i]), halves + 2 * i);
  }
  return inside;
}

bool add_and_round(std::span<float> e, std::span<const float> g, std::byte* halves) {
  bool inside = true;
  for (std::size_t i = 0; i < e.size(); ++i) {
    const float p = e[i] + g[i];
    inside = inside && within(p, Half::bfloat16);
    const std::uint16_t half = to_bfloat16(p);
    store(half, halves + 2 * i);
    e[i] = p - from_bfloat16(half);
  }
  return inside;
}

bool all_finite(const std::byte* halves, std::size_t count, Half format) {
  const std::uint16_t exponent = format == Half::bfloat16 ? 0x7f80 : 0x7c00;
  for (std::size_t i = 0; i < count; ++i) {
    if ((load<std::uint16_t>(halves + 2 * i) & exponent) == exponent) return false;
  }
  return true;
}

void add_halves(const std::byte* halves, Half format, float scale, std::span<float> y) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    const auto half = load<std::uint16_t>(halves + 2 * i);
    y[i] += scale * (format == Half::bfloat16 ? from_bfloat16(half) : from_float16(half));
  }
}

}  // namespace starling::compress::ref
