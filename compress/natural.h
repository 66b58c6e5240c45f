// A coordinate becomes its sign and a power of two (natural compression).
#pragma once

#include "compress/compressor.h"
#include "compress/kernels/natural.h"

namespace starling::compress {

// C(x)_i is ± one of the two powers of two beside |x_i|, the upper one with the probability that
// makes the mean x_i (Cnat; Horváth et al. 2019, "Natural compression for distributed deep
// learning", Definition 1 and Theorem 3). Below 2^-126 the two are 0 and 2^-126. No scale, no norm.
//
//   NaturalForm::nine_bits   header + d + ⌈d/8⌉ bytes. Unbiased, exactly, with ω = 1/8 as long as
//       no |x_i| is above 2^127, which becomes 2^127. Where 0 < |x_i| < 2^-126, an error is below
//       2^-126.
//   NaturalForm::eight_bits  header + d bytes. The same for 2^-109 <= |x_i| <= 2^17. What would be
//       less is sent as 0, what would be more as 2^17: then C is biased, and all that holds of
//       every x is that it is bounded with β² = 1 and σ² = 0, which is what contract() says.
//
// Without state. One sweep also with error feedback.
class Natural final : public Compressor {
 public:
  explicit Natural(NaturalForm form = NaturalForm::nine_bits) : form_(form) {}

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;

 private:
  const NaturalForm form_;
};

}  // namespace starling::compress
