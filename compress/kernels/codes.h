// Floats that share a scale, as codes of 2, 4 or 8 bits, and back. compress::ref holds the plain
// loops that define every bit of the results; the functions here return the same bits on every
// instruction set. Any alignment; nothing overlaps. Every thread.
//
// A code is a signed number q of one of the levels -s … s, in two's complement. Nobody writes
// -s - 1; it reads as -s, so that every byte has a meaning and none has to be looked at twice.
//   Grid::uniform  level q is q · unit
//   Grid::powers   level ±k is ±2^(k - s) · unit, 0 is 0; 4 bits
//   Grid::ternary  as uniform with s = 1, in 8 bits
//
// 8-bit codes lie in the order of the elements. Of 2 and 4 bits there are 16 little-endian words
// for every 128 elements: word l holds element 16j + l in its j-th lowest field. The fields behind
// the last element are 0.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "compress/buckets.h"

namespace starling::compress {

enum class Grid { uniform, powers, ternary };
enum class Rounding { stochastic, nearest };

constexpr std::size_t kCodeBlock = 128;

struct CodeFormat {
  unsigned bits = 4;  // 2, 4, 8
  Grid grid = Grid::uniform;
  Rounding rounding = Rounding::stochastic;
  bool operator==(const CodeFormat&) const = default;
};

// s: 1, 7 or 127.
constexpr int levels_of(unsigned bits) { return (1 << (bits - 1)) - 1; }

constexpr int levels_of(const CodeFormat& format) {
  return format.grid == Grid::ternary ? 1 : levels_of(format.bits);
}

constexpr bool known(const CodeFormat& format) {
  switch (format.grid) {
    case Grid::uniform: return format.bits == 2 || format.bits == 4 || format.bits == 8;
    case Grid::powers: return format.bits == 4;
    case Grid::ternary: return format.bits == 8;
  }
  return false;
}

// The code of element i, possibly -s - 1.
int code_at(const std::byte* codes, unsigned bits, std::size_t i);

// Bytes of `count` codes.
constexpr std::size_t code_bytes(unsigned bits, std::size_t count) {
  if (bits == 8) return count;
  return (count + kCodeBlock - 1) / kCodeBlock * (kCodeBlock / 8 * bits);
}

// Bits behind the point: of a float's mantissa for Grid::powers, else what the code leaves of 32.
constexpr unsigned point_of(const CodeFormat& format) {
  return format.grid == Grid::powers ? 23 : 32 - format.bits;
}

// How to round v_i = x_i · inverse. Grid::uniform takes |v_i| <= s only (see inverse_of);
// Grid::powers and Grid::ternary cut |v_i| to 1. Element i of the span draws u_i, the lowest bits
// of random_word(key, first + i) behind the point; with Rounding::nearest u_i is ½.
struct CodeDraw {
  float inverse;
  std::uint64_t key;
  std::size_t first;  // a multiple of kCodeBlock
};

// A norm as it is sent: at most the largest float, of which s · (norm · 1/s) is finite for every s
// that there is, and 0 below 2^-120.
inline float scale_of(double norm) {
  constexpr double kMost = std::numeric_limits<float>::max();
  return without_underflow(static_cast<float>(std::min(norm, kMost)));
}

// The largest float with scale · inverse <= s, or 1 where the grid is not uniform; 0 of 0.
inline float inverse_of(float scale, const CodeFormat& format) {
  if (scale == 0) return 0;
  const int s = format.grid == Grid::uniform ? levels_of(format) : 1;
  const float inverse = static_cast<float>(s) / scale;
  const bool above = double{inverse} * double{scale} > s;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(inverse) - above);
}

// Writes the codes of x.
//   uniform, ternary  q = ⌊v + u⌋, of v to the nearest multiple of 2^-point
//   powers            the upper one of the levels beside |v| where the fraction of the way from the
//                     lower one to |v|, plus u, is at least 1 (natural dithering, Horváth et al.
//                     2019), with the sign of x
void write_codes(std::span<const float> x, const CodeFormat& format, const CodeDraw& draw,
                 std::byte* codes);
// The same, and e_i -= level · unit.
void write_codes_and_subtract(std::span<float> e, const CodeFormat& format, const CodeDraw& draw,
                              float unit, std::byte* codes);
// The scales and codes of x in buckets, in one sweep: of each, scale_of(max |x_i|) as a float, and
// the codes with its inverse_of and coordinates from 0 on. `bucket` is a multiple of kCodeBlock and
// divides x.size(). False, and nothing useful written, where x is not finite.
bool write_buckets(std::span<const float> x, std::size_t bucket, const CodeFormat& format,
                   std::uint64_t key, std::byte* scales, std::byte* codes);
// y_i += level · units[i / bucket]; `bucket` is a multiple of kCodeBlock where there are several.
void add_codes(const std::byte* codes, const CodeFormat& format, std::span<const float> units,
               std::size_t bucket, std::span<float> y);

namespace ref {
void write_codes(std::span<const float> x, const CodeFormat& format, const CodeDraw& draw,
                 std::byte* codes);
void write_codes_and_subtract(std::span<float> e, const CodeFormat& format, const CodeDraw& draw,
                              float unit, std::byte* codes);
bool write_buckets(std::span<const float> x, std::size_t bucket, const CodeFormat& format,
                   std::uint64_t key, std::byte* scales, std::byte* codes);
void add_codes(const std::byte* codes, const CodeFormat& format, std::span<const float> units,
               std::size_t bucket, std::span<float> y);
}  // namespace ref

}  // namespace starling::compress
