// The seam between an algorithm and the bytes it sends: floats to few bytes and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/result.h"

namespace starling::compress {

// What theory may assume of C (specification §0).
enum class Guarantee {
  contractive,  // E‖C(x) - x‖² <= (1 - δ)‖x‖²
  unbiased,     // E C(x) = x and E‖C(x) - x‖² <= ω‖x‖²
};

struct Contract {
  Guarantee guarantee;
  double constant;  // δ or ω
};

// One operator for vectors of one size. Engine thread only; spans are only used during the call.
// decode_add is the definition of C(x): the sender's own replica uses it on its own bytes, so both
// ends hold the same bits on every machine.
class Compressor {
 public:
  virtual ~Compressor() = default;

  virtual Contract contract() const = 0;
  virtual std::size_t size() const = 0;               // floats in x
  virtual std::size_t encoded_bytes_max() const = 0;  // exact upper bound, known before encoding

  // Writes C(x) to `out`, which has encoded_bytes_max() bytes, and returns the bytes used.
  // Deterministic in (x, key, earlier calls). x is finite.
  virtual std::size_t encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) = 0;

  // y += scale · C(x). Fails (ErrorCode::peer) on bytes that no encode can have written (length,
  // NaN, infinity), naming what was found; y is untouched then.
  virtual Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                                  std::span<float> y) const = 0;
};

}  // namespace starling::compress
