// float32 to the 16-bit formats and back, in integers: round to nearest, ties to even. The same
// bits on every machine and in every floating-point mode, subnormals included.
#pragma once

#include <bit>
#include <cstdint>

namespace starling::compress {

constexpr float kFloat16Max = 65504;
constexpr float kFloat16Overflow = 65520;  // from here on values round beyond it

// A finite value stays finite: what would round to infinity becomes ±(2 - 2^-7)·2^127. So the
// relative error is at most 2^-8 from 2^-126 on, the absolute one at most 2^-134 below.
constexpr std::uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<std::uint16_t>(bits >> 16 | 0x40);  // quiet NaN
  std::uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  if (magnitude < 0x7f800000 && (rounded & 0x7fffffff) >= 0x7f800000) rounded -= 0x10000;
  return static_cast<std::uint16_t>(rounded >> 16);
}

constexpr float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

// Infinity where |value| is 65520 or more, which rounds beyond 65504. The relative error is at most
// 2^-11 from 2^-14 on, the absolute one at most 2^-25 below.
constexpr std::uint16_t to_float16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7fffffff, sign = bits >> 16 & 0x8000;
  const std::uint32_t exponent = magnitude >> 23;
  std::uint32_t half = 0;
  if (magnitude > 0x7f800000) {
    half = 0x7e00;
  } else if (exponent >= 143) {  // 2^16
    half = 0x7c00;
  } else if (exponent >= 113) {  // 2^-14, the smallest normal float16
    half = (magnitude + 0xfff + (magnitude >> 13 & 1) - (112U << 23)) >> 13;
  } else if (exponent >= 102) {  // 2^-25: in units of 2^-24
    const std::uint32_t significand = (magnitude & 0x7fffff) | 0x800000, shift = 126 - exponent;
    const std::uint32_t odd = significand >> shift & 1;
    half = (significand + (1U << (shift - 1)) - 1 + odd) >> shift;
  }
  return static_cast<std::uint16_t>(sign | half);
}

constexpr float from_float16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16, exponent = bits >> 10 & 0x1f;
  const std::uint32_t fraction = bits & 0x3ff;
  if (exponent == 0) {  // fraction · 2^-24, exactly
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  const std::uint32_t wide = exponent == 0x1f ? 0xff : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

}  // namespace starling::compress
