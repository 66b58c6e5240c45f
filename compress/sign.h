// One bit a coordinate, and one scale a bucket.
#pragma once

#include "compress/compressor.h"
#include "compress/kernels/sign.h"

namespace starling::compress {

// Per bucket of B floats C(x) = s · sign(x), with the IEEE sign of zeros. Bytes: header +
// 4⌈d/B⌉ + ⌈d/8⌉, scales first.
//
//   Norm::l1  s = ‖x‖₁/B: the projection on the signs (EF-SignSGD, Karimireddy et al. 2019,
//             Definition A and Lemma 8). Contractive with δ = ‖x‖₁²/(B‖x‖₂²) >= 1/B; 2/π for a
//             Gaussian x.
//   Norm::l2  s = ‖x‖₂/√B keeps the norm. ‖C(x) - x‖² = 2‖x‖²(1 - ‖x‖₁/(√B‖x‖₂)), so it is bounded
//             with β² = 2(1 - 1/√B) and not contractive for peaked x.
//
// Without state. One sweep also with error feedback, as long as a bucket fits into the cache.
class Sign final : public Compressor {
 public:
  static constexpr std::size_t kBucket = 4096;

  // `bucket` is a multiple of 8; 0 is one bucket for the whole vector.
  explicit Sign(Norm norm = Norm::l1, std::size_t bucket = kBucket);

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;

 private:
  std::size_t bucket_of(std::size_t d) const;
  float scale_of(double sum, std::size_t count) const;

  const Norm norm_;
  const std::size_t bucket_;
};

}  // namespace starling::compress
