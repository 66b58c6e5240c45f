// A message with its start as one body: the start comes first, behind its length.
#pragma once

#include <cstddef>
#include <span>

#include "gossip/exchange.h"
#include "protocol/bytes.h"
#include "protocol/result.h"

namespace starling::gossip {

inline constexpr std::size_t kStartLengthBytes = 4;

// One that is written at its place: where a start as large as the model was made elsewhere first,
// there would be two of them.
class OpeningWriter {
 public:
  // A copy of `body`, behind a start of so many bytes. The message has `body` itself, which
  // outlives the start.
  OpeningWriter(std::size_t start_bytes, const SharedBytes& body);
  // To be filled.
  std::span<std::byte> start() { return both_.bytes().subspan(kStartLengthBytes, start_bytes_); }
  Message message() &&;

 private:
  ByteBlock both_;
  const SharedBytes body_;
  const std::size_t start_bytes_;
};

// With these floats, one after the other, as its start.
Message opening_of(std::span<const std::span<const float>> start, const SharedBytes& body);
SharedBytes packed(const Message& message);
// Parts of the same bytes.
Message unpacked(const SharedBytes& both, std::size_t start_bytes);
// As a neighbor sent it. The body is a copy, so that the start, which may be as large as the model,
// can be let go of before it. Fails with ErrorCode::peer where there is no start, or one of more
// than `start_bytes_max`.
Result<Message> opened(const SharedBytes& both, std::size_t start_bytes_max);

}  // namespace starling::gossip
