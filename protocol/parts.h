// Messages made of others: parts, each behind its length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "protocol/result.h"

namespace starling {

// Little-endian values at any address.
template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store(const T& value, std::byte* to) {
  std::memcpy(to, &value, sizeof value);
}

using PartLength = std::uint32_t;
inline constexpr std::size_t kPartLengthBytes = sizeof(PartLength);

// Copies nothing and reads nothing beyond the bytes it was given, whatever they are. The bytes must
// outlive it and what it hands out.
class PartReader {
 public:
  explicit PartReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  // ErrorCode::peer, with `kind` and `number`, where no whole part is left; nothing is taken then.
  Result<std::span<const std::byte>> next(std::string_view kind, std::size_t number);
  std::span<const std::byte> rest() const { return rest_; }
  // ErrorCode::peer where something is left.
  Result<void> end() const;

 private:
  std::span<const std::byte> rest_;
};

}  // namespace starling
