// One bit a coordinate and not one float: a scale that both ends know.
#pragma once

#include "compress/compressor.h"

namespace starling::compress {

// C(x)_i = ±s/2 with the IEEE sign of x_i: s Q(x/s) for the 1-bit quantiser Q of Dyna-COLD (Zhang
// et al., 2105.06697; gossip specification §4). Bytes: header + ⌈d/8⌉.
//
// The scale s comes from outside, s_k = s_0 ρ^k at round k, and goes along in the header (field
// seed, as float32): a receiver believes that one, so it needs no round number and no restart
// desynchronises it. A scale below 2^-120 counts as 0, and then C(x) = 0.
//
// Good inside the ball alone: for ‖x‖∞ <= s each coordinate errs by at most s/2 (β² = 0,
// σ² = d s²/4). Outside nothing holds; overflows() says whether to believe it.
//
// State: the scale, and the count of the last encode.
class OneBit final : public Compressor {
 public:
  // Finite, >= 0.
  explicit OneBit(float scale) { set_scale(scale); }
  void set_scale(float scale);

  // Coordinates with |x_i| > s in the last encode that was not refused.
  std::size_t overflows() const { return overflows_; }
  bool overflowed() const { return overflows_ > 0; }

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;

 private:
  float scale_ = 0;
  std::size_t overflows_ = 0;
};

}  // namespace starling::compress
