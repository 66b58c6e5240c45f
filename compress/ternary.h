// Three values a coordinate in 1.6 bits (TernGrad).
#pragma once

#include "compress/compressor.h"

namespace starling::compress {

struct TernaryParams {
  std::size_t bucket = 640;  // a multiple of 640 and not 0
  // Coordinates are cut to this many root mean squares of their bucket before they are rounded;
  // 0: they are not, else at least 1. TernGrad has 2.5.
  float clip = 0;
};

// Per bucket of B floats (the last one shorter; B = d where d is less) with N = ‖x‖_∞, C(x)_i is
// ±N with probability |x_i|/N and else 0 (TernGrad, Wen et al. 2017, equations 2 and 3). Bytes:
// header + 4⌈d/B⌉ + ⌈d/5⌉, scales first, then five coordinates a byte: Σ 3^k t_k with t = 0, 1 for
// +N, 2 for -N.
//
// Unbiased up to 2^-17 N with ω = (√B - 1)/2, which x = (1, a … a), a = 1/(1 + √B), reaches. With
// a clip (Wen et al., equation 11) N is at most clip · ‖x‖₂/√B and C is biased: bounded with
// β² = max(1, ω) and σ² = 0, as ‖x - t‖² <= ‖x‖² - ‖t‖² for the cut vector t. A bucket whose N is
// below 2^-120 is sent as zeros.
//
// Without state. One sweep also with error feedback, as long as a bucket fits into the cache.
class Ternary final : public Compressor {
 public:
  explicit Ternary(const TernaryParams& params = {});

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;

 private:
  float scale_of_bucket(std::span<const float> x, double largest) const;

  const TernaryParams params_;
};

}  // namespace starling::compress
