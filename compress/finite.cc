#include "compress/finite.h"

#include <limits>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "compress/kernels/select.h"

namespace starling::compress {
namespace {

constexpr std::uint32_t kExponent = 0x7f800000;

bool non_finite(const std::byte* at) {
  std::uint32_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return (bits & kExponent) == kExponent;
}

// The same for floats at any alignment.
std::optional<std::size_t> first_non_finite(const std::byte* x, std::size_t size) {
  constexpr std::size_t kBlock = 4096;
  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, size);
    std::uint32_t found = 0;  // no early exit inside a block, so that it vectorises
    for (std::size_t i = begin; i < end; ++i) found |= non_finite(x + i * sizeof(float));
    if (!found) continue;
    for (std::size_t i = begin; i < end; ++i) {
      if (non_finite(x + i * sizeof(float))) return i;
    }
  }
  return std::nullopt;
}

// For a sweep that keeps nothing and stops at the first float that is not finite.
class Room {
 public:
  Slots slots() { return {indices_, values_}; }

 private:
  std::array<std::uint32_t, Slots::kSlack> indices_;
  std::array<float, Slots::kSlack> values_;
};

}  // namespace

std::optional<std::size_t> first_non_finite(std::span<const float> x) {
  Room room;
  if (collect_at_least(x, kInfinity, room.slots()).count == 0) return std::nullopt;
  return first_non_finite(std::as_bytes(x).data(), x.size());
}

Result<void> check_finite(std::span<const float> x) {
  const auto at = first_non_finite(x);
  if (!at) return {};
  return Error{ErrorCode::diverged,
               fmt::format("found {} at index {}, expected finite values", x[*at], *at)};
}

Result<void> add_finite(std::span<float> e, std::span<const float> g) {
  INVARIANT(e.size() == g.size());
  Room room;
  if (add_and_collect(e, g, kInfinity, room.slots()).count == 0) return {};
  return check_finite(e);
}

Result<void> check_raw_floats(std::span<const std::byte> bytes, std::size_t count) {
  if (bytes.size() != count * sizeof(float)) {
    return Error{ErrorCode::peer, fmt::format("body has {} bytes, expected {} ({} floats)",
                                              bytes.size(), count * sizeof(float), count)};
  }
  if (const auto at = first_non_finite(bytes.data(), count)) {
    float value;
    std::memcpy(&value, bytes.data() + *at * sizeof(float), sizeof value);
    return Error{ErrorCode::peer,
                 fmt::format("body holds {} at index {}, expected finite values", value, *at)};
  }
  return {};
}

void saturate(std::span<float> x) {
  constexpr float kMost = std::numeric_limits<float>::max();
  for (float& value : x) value = std::clamp(value, -kMost, kMost);
}

}  // namespace starling::compress
