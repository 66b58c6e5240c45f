// The operator that sends everything: raw little-endian float32.
#pragma once

#include "compress/compressor.h"

namespace starling::compress {

class Identity final : public Compressor {
 public:
  explicit Identity(std::size_t size) : size_(size) {}

  Contract contract() const override { return {Guarantee::contractive, 1.0}; }
  std::size_t size() const override { return size_; }
  std::size_t encoded_bytes_max() const override { return size_ * sizeof(float); }
  std::size_t encode(std::span<const float> x, std::uint64_t key,
                     std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;

 private:
  std::size_t size_;
};

// Checks that `bytes` are exactly `count` finite floats; the error (ErrorCode::peer) names the
// length or the index and value that are wrong.
Result<void> check_raw_floats(std::span<const std::byte> bytes, std::size_t count);

}  // namespace starling::compress
