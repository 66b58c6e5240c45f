// An unbiased operator out of a contraction and an unbiased one that sends what it left.
#pragma once

#include <memory>

#include "compress/compressor.h"

namespace starling::compress {

// C(x) = C₁(x) + C₂(x - C₁(x)) (Horváth and Richtárik 2020, 2006.11077, Definition 4 and Theorem
// 3): for a contractive C₁ and an unbiased C₂ it is unbiased with ω = ω₂(1 - δ₁), and needs no
// error feedback. C₂ works on the whole residual, also where C₁ already sent. Worth its bytes only
// where C₁ leaves less than about half the energy (specification §1.14).
//
// Bytes: header + 4 + those of the two messages, which follow each other behind the length of the
// first (u32); at most as many as the two bounds together. Sums beyond the floats saturate at the
// largest one.
//
// State: that of the two, which it owns. The keys of a call are subkeys of its own.
class Induced final : public Compressor {
 public:
  // `first` is contractive and `second` unbiased, of the same sizes.
  Induced(std::unique_ptr<Compressor> first, std::unique_ptr<Compressor> second);

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;
  void archive(Archive& archive) override;

 private:
  const std::unique_ptr<Compressor> first_, second_;
};

}  // namespace starling::compress
