// What is large is sent, as many as there are.
#pragma once

#include <cstddef>
#include <span>

#include "compress/compressor.h"
#include "compress/sparse.h"
#include "compress/top_selector.h"

namespace starling::compress {

// Keeps the x_i of |x_i| >= τ that are not 0, but no more than m = max(1, ⌈cap · d⌉) of them:
// beyond that the m largest, the lowest index first among equals. Compared on integer bits, so in
// no floating-point mode. Under a budget for all rounds together the hard threshold minimises the
// total error, where Top-K does so for one round alone (Sahu et al. 2021, "Rethinking gradient
// sparsification as total error minimization").
//
// Bounded. Up to m entries ‖C(x) - x‖² <= dτ², beyond it <= (1 - m/d)‖x‖²; so β² = 1 - m/d and
// σ² = dτ², and β² = 0 for cap = 1. With values of E‖Q(v) - v‖² <= b‖v‖² + s instead
// β² = max(b, 1 - (1 - b)m/d) and σ² = dτ² + s.
//
// Bytes: a message of sparse.h. Without a state that changes a result: the selector's buffers and
// its guess are kept. One sweep over x, also with error feedback, and one or two more beyond the
// cap.
class Threshold final : public Compressor {
 public:
  static constexpr double kCap = 0.25;

  // τ >= 0, finite; 0 < cap <= 1.
  explicit Threshold(float tau, double cap = kCap, SparseCoder coder = SparseCoder());

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;
  void archive(Archive& archive) override { coder_.archive(archive); }

 private:
  std::size_t count_max(std::size_t d) const;

  const float tau_;
  const double cap_;
  SparseCoder coder_;
  TopSelector selector_;
};

}  // namespace starling::compress
