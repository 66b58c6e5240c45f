// The k coordinates of the largest magnitude.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "compress/sparse.h"
#include "compress/top_selector.h"

namespace starling::compress {

// C keeps the k = max(1, round(ratio · d)) largest |x_i| (of equal ones those of the lowest index;
// never a zero) and codes their values: ‖C(x) - x‖² is the energy of the others, at most
// (1 - k/d)‖x‖² (Stich, Cordonnier and Jaggi 2018, Lemma A.1). So contractive with δ = k/d, times
// what the value format leaves of it (sparse.h).
//
// Keeps the last threshold, which makes a call faster and never changes its result; the nested
// operator's state is its own. About one sweep over x, also with error feedback.
class TopK final : public Compressor {
 public:
  // 0 < ratio <= 1.
  explicit TopK(double ratio, SparseCoder coder = SparseCoder());

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
  const double ratio_;
  SparseCoder coder_;
  TopSelector selector_;
};

// k entries shared out to parts of these sizes in proportion, by the largest remainders (of equal
// ones the first part's): the sum is min(k, Σ sizes), no part gets more than its size, and each
// that is not empty gets at least 1 where k allows it, from the part that has most. Σ sizes < 2^32.
std::vector<std::size_t> split_k(std::size_t k, std::span<const std::size_t> sizes);

}  // namespace starling::compress
