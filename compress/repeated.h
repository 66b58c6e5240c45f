// An operator applied again and again to what it has left.
#pragma once

#include <memory>

#include "compress/compressor.h"

namespace starling::compress {

// C_R(x) = o_R with o_0 = 0 and o_r = o_{r-1} + C(x - o_{r-1}): fast compressed communication
// (Huang, Chen, Yin, Yuan 2022, NEOLITHIC, 2206.03665, Algorithm 2). For a contractive C
// contractive with δ_R = 1 - (1 - δ)^R, at R times the bytes.
//
// Bytes: header + the R messages, each behind its length (u32). State: that of C, which it owns.
class Repeated final : public Compressor {
 public:
  // `of` takes vectors of every size and is contractive, or unbiased with ω < 1; times >= 1.
  Repeated(std::unique_ptr<Compressor> of, std::size_t times);

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;
  void archive(Archive& archive) override { of_->archive(archive); }

 private:
  const std::unique_ptr<Compressor> of_;
  const std::size_t times_;
};

}  // namespace starling::compress
