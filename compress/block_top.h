// The largest coordinate of every block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "compress/values.h"

namespace starling::compress {

// Per block of B floats, the last one possibly shorter, C(x) keeps the largest |x_i| (of equal ones
// the first). ‖C(x) - x‖² <= (1 - 1/B)‖x‖² in every block, so contractive with δ = 1/min(B, d),
// less what the value format loses: with a value coder of E‖Q(v) - v‖² <= β²‖v‖² + σ² it is
// δ = (1 - β²)/B where β² < 1 and σ = 0, else bounded. Captures less energy than the k = ⌈d/B⌉
// largest of all, but needs no threshold, and its indices take log2 B bits each.
//
// Bytes with n = ⌈d/B⌉: header (count = n, bucket = B, flags = value format), ⌈n log2(B) / 8⌉ of
// positions in the blocks, lowest bit first, and the n values. Without a state of its own; that of
// the nested operator, if any.
class BlockTop final : public Compressor {
 public:
  // `block` is a power of two from 2 to 65536; the others as for ValueCoder.
  explicit BlockTop(std::size_t block, ValueFormat format = ValueFormat::float32,
                    std::unique_ptr<Compressor> nested = nullptr);

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;
  void archive(Archive& archive) override { values_.archive(archive); }

 private:
  std::size_t blocks(std::size_t d) const { return (d + block_ - 1) / block_; }
  std::size_t position_bytes(std::size_t d) const;
  Result<std::size_t> write(std::span<const float> x, std::uint64_t key, std::span<std::byte> out);
  Result<std::vector<std::uint32_t>> read_positions(std::span<const std::byte> body,
                                                    std::size_t d) const;

  const std::size_t block_;
  const unsigned position_bits_;
  ValueCoder values_;
  std::vector<std::uint32_t> where_;  // scratch: of each block, then of the vector
  std::vector<float> kept_;           // scratch
};

}  // namespace starling::compress
