// 32-bit floats to 16 bits and back in one sweep. compress::ref holds the plain loops that define
// every bit of the results; the functions here return the same bits on every instruction set. Any
// alignment; nothing overlaps. Every thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace starling::compress {

// The formats and the rounding are those of half_floats.h.
enum class Half { bfloat16, float16 };

// Bits of the smallest |x| that the format has no finite value for: infinity for bfloat16, 65520
// for float16.
constexpr std::uint32_t first_outside(Half format) {
  return format == Half::bfloat16 ? 0x7f800000 : 0x477ff000;
}

// From so many floats on no cache holds the halves until somebody reads them, and bfloat16 at even
// addresses are written to memory past the caches.
constexpr std::size_t kStreamedFrom = std::size_t{8} << 20;

// Writes x, rounded, to `halves` (two bytes each, little-endian). Returns whether all of x is
// within the format; the halves of values that are not are unspecified.
bool round_to_halves(std::span<const float> x, Half format, std::byte* halves);
// p = e + g is rounded to bfloat16 and e becomes what the rounding left of p, not finite where p
// was not. Returns whether p was finite.
bool add_and_round(std::span<float> e, std::span<const float> g, std::byte* halves);
// Whether none of them is NaN or infinity.
bool all_finite(const std::byte* halves, std::size_t count, Half format);
// y_i += scale · x_i.
void add_halves(const std::byte* halves, Half format, float scale, std::span<float> y);

namespace ref {
bool round_to_halves(std::span<const float> x, Half format, std::byte* halves);
bool add_and_round(std::span<float> e, std::span<const float> g, std::byte* halves);
bool all_finite(const std::byte* halves, std::size_t count, Half format);
void add_halves(const std::byte* halves, Half format, float scale, std::span<float> y);
}  // namespace ref

}  // namespace starling::compress
