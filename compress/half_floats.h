// The two 16-bit float formats, rounded to nearest, ties to even, by integers: the same bits on
// every machine and in every floating-point mode.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace starling::compress {

constexpr float kFloat16Max = 65504;
constexpr float kFloat16Overflow = 65520;  // from here on values round beyond it

// 8 bits of exponent, 7 of fraction. A finite value is never rounded to infinity: what lies above
// the largest bfloat16 becomes it. NaN and infinity become it too.
constexpr std::uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t size = bits & 0x7fffffff;
  const std::uint32_t rounded = (size + 0x7fff + (size >> 16 & 1)) >> 16;
  return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | std::min(rounded, 0x7f7fU));
}

constexpr float from_bfloat16(std::uint16_t half) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
}

// 5 bits of exponent, 10 of fraction; below 2^-14 a multiple of 2^-24. What rounds to more than
// 65504, infinity and NaN become infinity.
constexpr std::uint16_t to_float16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
  if (size >= 0x47800000) return static_cast<std::uint16_t>(sign | 0x7c00);
  if (size >= 0x38800000) {
    const std::uint32_t rounded = (size + 0xfff + (size >> 13 & 1)) >> 13;
    return static_cast<std::uint16_t>(sign | (rounded - (112U << 10)));
  }
  const std::uint32_t shift = 126 - (size >> 23);
  if (shift > 24) return static_cast<std::uint16_t>(sign);
  const std::uint32_t fraction = (size & 0x7fffff) | 0x800000;
  const std::uint32_t half = 1U << (shift - 1);
  const std::uint32_t rounded = (fraction + half - 1 + (fraction >> shift & 1)) >> shift;
  return static_cast<std::uint16_t>(sign | rounded);
}

constexpr float from_float16(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16, size = half & 0x7fffU;
  if (size >= 0x7c00) return std::bit_cast<float>(sign | 0x7f800000 | (size & 0x3ff) << 13);
  if (size >= 0x400) return std::bit_cast<float>(sign | ((size << 13) + (112U << 23)));
  const float value = static_cast<float>(size) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
}

}  // namespace starling::compress
