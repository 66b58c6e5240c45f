// Coordinates that both ends draw from one number, so that only the values are sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "compress/values.h"

namespace starling::compress {

// One coordinate of each of k = max(1, round(ratio · d)) strata [⌊jd/k⌋, ⌊(j+1)d/k⌋), each equally
// likely (to 2^-32), as a function of (key, d, k). L is the largest stratum, ⌈d/k⌉.
//
//   Form::contractive  sends x_i. E‖C(x) - x‖² = Σ(1 - 1/L_i)x_i²: δ = 1/L, for error feedback and
//                      differences.
//   Form::unbiased     sends L_i x_i, the largest float where that is more. ω = L - 1.
//
// With values of E‖Q(v) - v‖² <= b‖v‖² + s (values.h): contractive δ = (1 - b)/L (bounded where
// that is not positive or s > 0); unbiased (1 + ω)(1 + b) - 1 for an unbiased Q, and otherwise, as
// rounding is biased, bounded with β = √ω + √(b(1 + ω)) in the triangle inequality.
//
// Bytes: header (count = k, seed = key, flags = 1 for unbiased | value format << 3), values in the
// order of their indices. Messages of one key keep the same coordinates, so their sum is the
// message of the sum. Without a state. Engine thread only, decoding too.
class RandomK final : public Compressor {
 public:
  enum class Form { contractive, unbiased };

  // 0 < ratio <= 1.
  explicit RandomK(double ratio, Form form = Form::contractive, ValueCoder values = ValueCoder());

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
  Contract contractive(std::size_t k, std::size_t d) const;
  Contract unbiased(std::size_t k, std::size_t d) const;
  Result<std::size_t> send(std::span<const float> x, std::uint64_t key, std::span<std::byte> out);

  const double ratio_;
  const Form form_;
  ValueCoder values_;
  // Of the latest vector or message; kept so that they need not be allocated for every one.
  mutable std::vector<std::uint32_t> drawn_;
  mutable std::vector<float> sent_;
};

// The strata, and what is drawn from them: k indices, rising. 0 < k <= d.
struct Strata {
  std::size_t d, k;
  std::size_t begin(std::size_t j) const { return j * d / k; }
  std::size_t longest() const { return (d + k - 1) / k; }
  std::size_t shortest() const { return d / k; }
};
void draw(const Strata& strata, std::uint64_t key, std::span<std::uint32_t> indices);

}  // namespace starling::compress
