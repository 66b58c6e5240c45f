// The seam between an algorithm and the bytes it sends: floats to few bytes and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/archive.h"
#include "protocol/result.h"

namespace starling::compress {

// What theory may assume of C. Expectations are over the operator's own randomness.
enum class Guarantee {
  contractive,  // E‖C(x) - x‖² <= (1 - δ)‖x‖², 0 < δ <= 1
  unbiased,     // E C(x) = x and E‖C(x) - x‖² <= ω‖x‖²
  bounded,      // E‖C(x) - x‖² <= β²‖x‖² + σ²
};

struct Contract {
  Guarantee guarantee;
  double constant;      // δ, ω or β²
  double absolute = 0;  // σ², for vectors of the size that was asked about; bounded only
  // δ for a Gaussian vector, where the worst case is far from what is met; 0: as `constant`.
  double typical = 0;
  bool operator==(const Contract&) const = default;
};

// One operator C. Engine thread only; spans are only used during the call. d is the number of
// floats of a vector; an operator of a fixed shape takes that one alone, all others take every d up
// to kFloatsMax.
//
// decode_add is the definition of C(x): the sender's own replica uses it on its own bytes, so both
// ends hold the same bits on every machine and instruction set. A message begins with the header
// of header.h.
class Compressor {
 public:
  static constexpr std::size_t kFloatsMax = 0xffffffff;  // indices are 32 bits wide

  virtual ~Compressor() = default;

  virtual Contract contract(std::size_t d) const = 0;

  // The size of the largest message, header and all; exact: some x reaches it.
  virtual std::size_t encoded_bytes_max(std::size_t d) const = 0;

  // Writes the message for C(x) to `out`, which has encoded_bytes_max(x.size()) bytes at any
  // alignment, and returns the bytes used. Deterministic in (x, key, earlier calls). Fails
  // (ErrorCode::diverged) where x holds NaN or infinity, naming the first index; nothing that the
  // operator keeps between calls has changed then.
  virtual Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                                     std::span<std::byte> out) = 0;

  // Error feedback: p = e + g, the message is C(p), and e becomes p - C(p), in as few sweeps over
  // memory as the operator allows. Fails as encode does; e is of no use then.
  virtual Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g,
                                        std::uint64_t key, std::span<std::byte> out);

  // y += scale · C(x). Fails (ErrorCode::peer) on bytes that no encode for y.size() floats can
  // have written, naming the field; y is untouched then. Allocates at most a small multiple of y.
  virtual Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                                  std::span<float> y) const = 0;

  // What makes the next message depend on the ones before.
  virtual void archive(Archive& /*archive*/) {}
};

}  // namespace starling::compress
