#include "gossip/opening.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "protocol/parts.h"

namespace starling::gossip {

OpeningWriter::OpeningWriter(std::size_t start_bytes, const SharedBytes& body)
    : both_(kStartLengthBytes + start_bytes + body.size()), body_(body), start_bytes_(start_bytes) {
  store(static_cast<std::uint32_t>(start_bytes), both_.bytes().data());
  std::ranges::copy(body.bytes(), both_.bytes().last(body.size()).begin());
}

Message OpeningWriter::message() && {
  const SharedBytes both(std::move(both_));
  return {body_, unpacked(both, start_bytes_).start, both};
}

Message opening_of(std::span<const std::span<const float>> start, const SharedBytes& body) {
  std::size_t bytes = 0;
  for (const std::span<const float> part : start) bytes += part.size_bytes();
  OpeningWriter writer(bytes, body);
  std::span<std::byte> rest = writer.start();
  for (const std::span<const float> part : start) {
    std::ranges::copy(std::as_bytes(part), rest.begin());
    rest = rest.subspan(part.size_bytes());
  }
  return std::move(writer).message();
}

SharedBytes packed(const Message& message) {
  if (message.opening.size() > 0) return message.opening;
  OpeningWriter writer(message.start.size(), message.body);
  std::ranges::copy(message.start.bytes(), writer.start().begin());
  return std::move(writer).message().opening;
}

Message unpacked(const SharedBytes& both, std::size_t start_bytes) {
  const std::size_t begin = kStartLengthBytes + start_bytes;
  return {both.slice(begin, both.size() - begin), both.slice(kStartLengthBytes, start_bytes)};
}

Result<Message> opened(const SharedBytes& both, std::size_t start_bytes_max) {
  std::uint32_t length = 0;
  if (both.size() >= kStartLengthBytes) {
    length = load<std::uint32_t>(both.bytes().data());
  }
  if (length == 0 || length > start_bytes_max || length > both.size() - kStartLengthBytes) {
    return Error{ErrorCode::peer, fmt::format("an opening of {} bytes with {} in front, expected 1 "
                                              "to {}",
                                              both.size(), length, start_bytes_max)};
  }
  const Message parts = unpacked(both, length);
  ByteBlock copy(parts.body.size());
  std::ranges::copy(parts.body.bytes(), copy.bytes().begin());
  return Message{std::move(copy), parts.start};
}

}  // namespace starling::gossip
