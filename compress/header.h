// The 32 bytes in front of every compressed message, and the sentences that refuse one.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/parts.h"
#include "protocol/result.h"

namespace starling::compress {

// Numbers on the wire: never reused.
enum class Op : std::uint8_t {
  identity = 1,
  bfloat16 = 2,
  float16 = 3,
  sparse = 4,  // indices and values, whatever chose them
  block_top = 5,
  random_k = 6,
  sign = 7,
  quantize = 8,
  ternary = 9,
  natural = 10,
  natural_dithering = 11,
  low_rank = 12,
  count_sketch = 13,
  one_bit = 14,
  variable_rate = 15,
  induced = 16,
  tensors = 17,   // one message a tensor, one after the other
  rated = 18,     // the message of a level, behind its number
  repeated = 19,  // several messages, each behind its length
};
std::string_view name_of(Op op);  // as in the run file; "?" for a number that is none

constexpr std::size_t kHeaderBytes = 32;

// Little-endian, in this order: op, flags (1 byte each), param (2), tensor (4), d (8), count (4),
// bucket (4), seed (8). A field that an operator does not use is 0, and its decoder checks that.
struct Header {
  Op op = Op::identity;
  std::uint8_t flags = 0;
  std::uint16_t param = 0;   // bits, levels, rank …
  std::uint32_t tensor = 0;  // inside Op::tensors: its number in the layout
  std::uint64_t d = 0;       // floats of the vector
  std::uint32_t count = 0;   // entries that are kept
  std::uint32_t bucket = 0;  // floats that share a scale
  std::uint64_t seed = 0;    // from which the receiver draws what the sender drew
  bool operator==(const Header&) const = default;
};

// Writes the header and returns the rest of `out`.
std::span<std::byte> write_header(const Header& header, std::span<std::byte> out);

// The header of a message of this operator for d floats. Fails (ErrorCode::peer) on a message that
// is too short, of another operator or of another size. The other fields are for the operator.
Result<Header> read_header(std::span<const std::byte> message, Op op, std::size_t d);

// "header field d: found 12, expected 10"
template <class Found, class Expected>
Error refused(std::string_view field, const Found& found, const Expected& expected) {
  return {ErrorCode::peer, fmt::format("{}: found {}, expected {}", field, found, expected)};
}

// Fails unless the two are equal.
template <class T, class U>
Result<void> expect(std::string_view field, const T& found, const U& expected) {
  if (found == static_cast<T>(expected)) return {};
  return refused(field, found, expected);
}

// The field tensor of a message of at least kHeaderBytes, which its operator writes as 0.
std::uint32_t tensor_of(std::span<const std::byte> message);
void set_tensor(std::uint32_t number, std::span<std::byte> message);

// Fails unless flags, param, count, bucket and seed are those of `expected`. For operators whose
// decoder knows them all.
Result<void> expect_fields(const Header& found, const Header& expected);

}  // namespace starling::compress
