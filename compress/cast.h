// Two bytes a coordinate: bfloat16 keeps the range of float, float16 three more bits of precision.
#pragma once

#include "compress/compressor.h"
#include "compress/kernels/cast.h"

namespace starling::compress {

// C(x) is x rounded to nearest, ties to even, in the format. Bytes: header + 2d.
//
//   Half::bfloat16  half a step is at most 2^-8 of the value: contractive with δ = 1 - 2^-16, as
//                   long as no x_i that is not zero lies below 2^-126; those have an error of at
//                   most 2^-134 each. Above the largest bfloat16, it is sent.
//   Half::float16   at most 2^-11 of a value from 2^-14 on and at most 2^-25 below, where it has
//                   steps of 2^-24: bounded with β² = 2^-22, σ² = 2^-50 d. encode fails
//                   (ErrorCode::diverged) where some |x_i| would be more than 65504.
//
// Without state. One sweep; with error feedback too for bfloat16, three for float16.
class Cast final : public Compressor {
 public:
  explicit Cast(Half format) : format_(format) {}

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;

 private:
  const Half format_;
};

}  // namespace starling::compress
