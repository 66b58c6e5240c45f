#include "protocol/parts.h"

#include <fmt/format.h>

namespace starling {

Result<std::span<const std::byte>> PartReader::next(std::string_view kind, std::size_t number) {
  if (rest_.size() < kPartLengthBytes) {
    return Error{ErrorCode::peer, fmt::format("length of {} {}: found {} bytes, expected {}", kind,
                                              number, rest_.size(), kPartLengthBytes)};
  }
  const std::size_t length = load<PartLength>(rest_.data());
  const std::size_t left = rest_.size() - kPartLengthBytes;
  if (length > left) {
    return Error{ErrorCode::peer, fmt::format("length of {} {}: found {}, expected at most {}",
                                              kind, number, length, left)};
  }
  const std::span<const std::byte> part = rest_.subspan(kPartLengthBytes, length);
  rest_ = rest_.subspan(kPartLengthBytes + length);
  return part;
}

Result<void> PartReader::end() const {
  if (rest_.empty()) return {};
  return Error{ErrorCode::peer,
               fmt::format("bytes behind the last part: found {}, expected none", rest_.size())};
}

}  // namespace starling
