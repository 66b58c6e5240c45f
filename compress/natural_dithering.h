// Four bits a coordinate on levels that are powers of two (natural dithering).
#pragma once

#include "compress/code_buckets.h"
#include "compress/compressor.h"

namespace starling::compress {

// Per bucket of B floats (the last one shorter; B = d where d is less) with norm N, each |x_i|/N is
// rounded to one of the two levels beside it of 0, 2^-6, 2^-5 … ½, 1, without bias (s = 7 levels;
// Horváth et al. 2019, "Natural compression for distributed deep learning", §4). Bytes: header +
// 4⌈d/B⌉ + 64⌈d/128⌉, scales first.
//
// Unbiased up to 2^-17 of a level, with ω = ⅛ + √B · 2^-6 · min(1, √B · 2^-6) for either norm
// (Theorem 7). Better than uniform levels of as many bits where the tails are heavy, worse for a
// Gaussian x. A bucket whose norm is below 2^-120 is sent as zeros.
//
// Without state. One sweep also with error feedback, as long as a bucket fits into the cache.
class NaturalDithering final : public Compressor {
 public:
  static constexpr int kLevels = 7;

  // `bucket` is a multiple of 128 and not 0.
  explicit NaturalDithering(BucketNorm norm = BucketNorm::max, std::size_t bucket = 512);

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
