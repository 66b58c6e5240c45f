// As many bits as the coordinates need for an error that is bounded: differential quantisation
// whose rate does not grow as the step shrinks with the signal.
#pragma once

#include <cstdint>

#include "compress/compressor.h"
#include "compress/levels.h"

namespace starling::compress {

enum class RateRounding : std::uint8_t {
  stochastic = 0,  // n = ⌊x/Δ + u⌋, x̂ = nΔ: unbiased, |x̂ - x| < Δ, σ² = dΔ²/4
  nearest = 1,     // u = 1/2: |x̂ - x| <= Δ/2, so the same σ²; for error feedback
  companded = 2,  // ANQ: a level of Levels(Δ, ω) on either side: unbiased, β² = 2ω², σ² = 2dΔ²
};

struct VariableRateOptions {
  RateRounding rounding = RateRounding::stochastic;
  float step = 0;         // Δ, or η where companded; finite, > 0; below 2^-100 it is 2^-100
  float omega = 0.25f;    // companded only: Levels::kOmegaMin .. kOmegaMax
  float target_bits = 0;  // b*, bits a coordinate behind the header; 0 keeps the step as it is
  float gain = 0.5f;      // κ, 0 .. 1: how much of a deviation one call takes back
};

// The quantisers of differential quantisation with error feedback (Nassif et al., 2209.07821 and
// 2406.18418); specification §1.13. The integers are coded as integer_code.h says. Bounds and
// unbiasedness hold up to the rounding of n Δ to float (2^-24 of |x|) and to 2^-17 steps, the grain
// of the random numbers; the strict |x̂ - x| < Δ always holds, since what would break it is sent as
// the float. A step is in the message (header field seed: Δ, and ω where companded, as float32), so
// the receiver needs to know nothing of how the sender changes it.
//
// Bytes: header + ⌈(2⌈d/4096⌉ + 5⌈d/256⌉ + w d)/8⌉ at most, with w = 32; where companded, w - 1 is
// the width of the zig-zag integer of the last level for a step of 2^-100.
//
// State: the step, if there is a target: Δ ← Δ · 2^(κ(b - b*)), the factor within [1/2, 2], after
// every x but one of zeros alone. On inputs that shrink by ρ a call the bits stay log2(ρ)/κ below
// the target.
class VariableRate final : public Compressor {
 public:
  explicit VariableRate(const VariableRateOptions& options);

  float step() const { return step_; }
  // For a step that follows the learning rate. Finite, > 0.
  void set_step(float step);

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;
  void archive(Archive& archive) override { archive.number("step", step_); }

 private:
  // Writes the message for x; where `residual` is not empty, x itself, subtracts C(x) from it.
  std::size_t write(std::span<const float> x, std::span<float> residual, std::uint64_t key,
                    std::span<std::byte> out);
  bool has_target_for(std::span<const float> x) const;
  void follow_target(std::size_t d, std::size_t bytes);

  const VariableRateOptions options_;
  const std::int32_t code_max_;  // over all steps
  float step_;
};

}  // namespace starling::compress
