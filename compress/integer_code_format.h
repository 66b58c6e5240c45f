// Fields of integer_code.h, for its writer and its reader.
#pragma once

#include <cstddef>
#include <cstdint>

namespace starling::compress {

constexpr unsigned kModeBits = 2, kParameterBits = 5, kGapBits = 4, kFloatBits = 32;
constexpr unsigned kRiceMode = 0, kRunsMode = 1, kZerosMode = 2;
constexpr unsigned kParameterMax = 20, kGapMax = 12, kRawBlock = 31;
constexpr std::uint32_t kEscape = 24;  // zeros
constexpr std::size_t kRunsFields = 2 * kGapBits + kParameterBits;

}  // namespace starling::compress
