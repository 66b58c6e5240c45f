#include "gossip/opening.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace starling::gossip {

SharedBytes packed(const Message& message) {
  const auto& [body, start] = message;
  ByteBlock both(kStartLengthBytes + start.size() + body.size());
  const auto length = static_cast<std::uint32_t>(start.size());
  std::memcpy(both.bytes().data(), &length, kStartLengthBytes);
  std::ranges::copy(start.bytes(), both.bytes().subspan(kStartLengthBytes).begin());
  std::ranges::copy(body.bytes(), both.bytes().last(body.size()).begin());
  return both;
}

Message unpacked(const SharedBytes& both, std::size_t start_bytes) {
  const std::size_t begin = kStartLengthBytes + start_bytes;
  return {both.slice(begin, both.size() - begin), both.slice(kStartLengthBytes, start_bytes)};
}

Result<Message> opened(const SharedBytes& both, std::size_t start_bytes_max) {
  std::uint32_t length = 0;
  if (both.size() >= kStartLengthBytes) {
    std::memcpy(&length, both.bytes().data(), kStartLengthBytes);
  }
  if (length == 0 || length > start_bytes_max || length > both.size() - kStartLengthBytes) {
    return Error{ErrorCode::peer, fmt::format("an opening of {} bytes with {} in front, expected 1 "
                                              "to {}",
                                              both.size(), length, start_bytes_max)};
  }
  const auto [body, start] = unpacked(both, length);
  ByteBlock copy(body.size());
  std::ranges::copy(body.bytes(), copy.bytes().begin());
  return Message{std::move(copy), start};
}

}  // namespace starling::gossip
