// Uniform quantisation to 2, 4 or 8 bits a coordinate (QSGD).
#pragma once

#include "compress/code_buckets.h"
#include "compress/compressor.h"

namespace starling::compress {

struct QuantizeParams {
  unsigned bits = 4;         // 2, 4 or 8: s = 1, 7 or 127 levels on each side of 0
  std::size_t bucket = 512;  // a multiple of 128
  BucketNorm norm = BucketNorm::max;
  Rounding rounding = Rounding::stochastic;
};

// Per bucket of B floats (the last one shorter; B = d where d is less) with norm N = ‖x‖_∞ or
// ‖x‖₂, each s|x_i|/N is rounded to an integer q and C(x)_i = ±q · N/s (QSGD, Alistarh et al. 2017,
// §3). Bytes: header + 4⌈d/B⌉ + 64⌈d/128⌉ (4 bits), 32⌈d/128⌉ (2 bits), d (8 bits), scales first.
//
//   Rounding::stochastic  unbiased up to 2^-22 of x_i, with
//       ω = min(B/s², √B/s) for ‖x‖₂ (Lemma 3.1), min(B/(4s²), √B/s) for ‖x‖_∞.
//   Rounding::nearest     an error is at most |x_i| and at most N/(2s), and 0 for the largest x_i
//       of ‖x‖_∞. Contractive with δ = 4s²/(4s² + B - 1) for ‖x‖_∞; for ‖x‖₂ with
//       δ = 1 - B/(4s²) where that is positive, else bounded with β² = 1, σ² = 0 (vectors of equal
//       coordinates become 0). The constants are 2^-20 worse, for the roundings of float.
//
// A bucket whose norm is below 2^-120 is sent as zeros, whatever the contract says. Without state.
// One sweep also with error feedback, as long as a bucket fits into the cache.
class Quantize final : public Compressor {
 public:
  explicit Quantize(const QuantizeParams& params = {});

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;

 private:
  const CodeBuckets codes_;
};

}  // namespace starling::compress
