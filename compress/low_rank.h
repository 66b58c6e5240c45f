// Low-rank factors of a matrix: what PowerSGD and PowerGossip send instead of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "compress/header.h"
#include "compress/kernels/projection.h"

namespace starling::compress {

// Makes the `rank` vectors of `length` floats in `v` orthonormal, in place: modified Gram-Schmidt,
// in double, in a fixed scalar order, so that two machines with the same input hold the same bits.
// There is no absolute epsilon: vectors of any magnitude keep their direction. A vector that is
// zero, or that vanishes when the ones before it are taken out of it, is drawn anew from
// (key, its number), which both ends of an edge share; without that an edge on which the two nodes
// once agreed would never carry anything again (gossip specification §3, pitfalls 1 and 2).
void orthonormalize(std::span<float> v, std::size_t length, std::uint64_t key);

enum class FactorFormat : std::uint8_t { float32 = 0, bfloat16 = 1 };

// C(X) = P̂ P̂ᵀ X, an orthogonal projection of rank r (PowerSGD, Vogels et al. 2019, Algorithm 1,
// with the warm start of §3). One pass over X: P = X V and Y = Xᵀ P, then P̂ = P R⁻¹, Q = Y R⁻¹
// with PᵀP = RᵀR. The body is P̂ and then Q: r(m + n) numbers of 4 or 2 bytes for an m × n matrix,
// the only shape that this operator takes. One more pass where entries are so large or small that
// sums of their squares leave the floats. Entries all below 2^-120 count as zero; a C(X) that
// might leave the floats is halved until it does not.
//
//   FactorFormat::float32   ‖X - C(X)‖² = ‖X‖² - ‖C(X)‖²: never expansive. δ is 0 in the contract,
//                           as no start V has a worst case: some X has XV = 0. On a fixed X the
//                           captured energy grows from call to call.
//   FactorFormat::bfloat16  rounds to nearest and sends that, and C(X) is the product of what was
//                           sent. No projection any more: with u = 2^-8 a rounding, the product is
//                           within (2u + u²)√r ‖Q‖ of the projection, so ‖X - C(X)‖² <= β²‖X‖² with
//                           β² = 1 + r(2u + u²)², and the error has a floor of about 2u‖X‖.
//
// State: V, r × n; the next V is Q. A zero X leaves V as it is; where X is not zero but X V is, V
// is drawn anew from the key of the next call.
class LowRank final : public Compressor {
 public:
  // 1 <= rank < 65536; one above min(rows, columns) is lowered to it.
  LowRank(MatrixShape shape, std::size_t rank, std::uint64_t key,
          FactorFormat format = FactorFormat::float32);

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;
  void archive(Archive& archive) override { archive.fixed("right_factor", v_); }

 private:
  Header header() const;
  std::size_t factor_floats() const { return rank_ * (shape_.rows + shape_.columns); }
  std::span<const float> p_of(std::span<const float> factors) const;
  std::span<const float> q_of(std::span<const float> factors) const;

  // P̂ and Q of x as they are sent. Moves V on.
  std::vector<float> factorize(std::span<const float> x, std::uint64_t key);
  // P = X V and Y = Xᵀ P of 2^-exponent X. The exponent is not 0 only where it must be; none where
  // X counts as zero.
  std::optional<int> project_in_range(std::span<const float> x, std::span<float> p,
                                      std::span<float> y) const;
  void write(std::span<const float> factors, std::span<std::byte> out) const;

  const MatrixShape shape_;
  const std::size_t rank_;
  const FactorFormat format_;
  std::vector<float> v_;  // rank × columns
};

}  // namespace starling::compress
