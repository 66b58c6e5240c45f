// Low-rank factors of a matrix: what PowerSGD and PowerGossip send instead of it.
#pragma once

#include <cstdint>
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

// C(X) = P̂ P̂ᵀ X, an orthogonal projection of rank r (PowerSGD, Vogels et al. 2019, Algorithm 1,
// with the warm start of §3). One pass over X: P = X V and Y = Xᵀ P, then P̂ = P R⁻¹, Q = Y R⁻¹
// with PᵀP = RᵀR. The bytes are P̂ and then Q as raw floats. The next V is Q.
class LowRank final : public Compressor {
 public:
  // rank is at least 1; one above min(rows, columns) is lowered to it.
  LowRank(MatrixShape shape, std::size_t rank, std::uint64_t key);

  // A projection never expands; no better worst case holds for an arbitrary start V.
  Contract contract(std::size_t) const override { return {Guarantee::contractive, 0.0}; }
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;

 private:
  Header header() const;

  MatrixShape shape_;
  std::size_t rank_;
  std::vector<float> v_;  // rank × columns
};

}  // namespace starling::compress
