// The operator that sends everything: raw little-endian float32.
#pragma once

#include "compress/compressor.h"

namespace starling::compress {

// C(x) = x. Bytes: header + 4d.
class Identity final : public Compressor {
 public:
  Contract contract(std::size_t) const override { return {Guarantee::contractive, 1.0}; }
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;
};

}  // namespace starling::compress
