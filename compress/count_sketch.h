// A linear sketch: messages of several nodes add up to the message of their sum.
#pragma once

#include <cstdint>
#include <optional>

#include "compress/compressor.h"

namespace starling::compress {

struct CountSketchOptions {
  std::size_t rows = 3;      // R: 1, 3, 5 or 7
  std::size_t width = 4096;  // W: a power of two, 16 .. 2^28
  // Of the hash functions; the same wherever sketches are merged. Unset: the key of each message,
  // so that errors average out over rounds.
  std::optional<std::uint64_t> seed = 0;
  std::size_t keep = 0;  // k: only the k largest estimates are decoded; 0 is all
};

// Count-Sketch (Charikar, Chen, Farach-Colton 2002, §3): each row r adds ±x_i to one of its W
// cells, and the median over the rows of ± that cell estimates x_i. Bytes: header + 4RW.
//
// Blocks of 16 neighbors are hashed together, to 16 cells in a row, with a sign for each
// coordinate, so that a block costs one cache line and not 16. Two coordinates then share a cell
// with probability 16/W or 0 instead of 1/W, and the variance of a row, 16/W · Σ x_j² over the
// coordinates of the same place in their block, sums to at most (d - 1)/W · ‖x‖² over x as before.
//
// Without `keep` unbiased with ω = (d - 1)/W, in expectation over the seed: the error of a row is
// symmetric about 0, and so is the median of independent ones, whose variance is at most that of
// one (P(|median| > t) = 2 P(Bin(R, q/2) > R/2) <= q = P(|one| > t)). Rows help against the tail.
// With `keep`, E‖C(x) - x‖² <= (1 + ω)‖x‖² is all that holds for every x; a k-sparse x comes
// through exactly, but for unlucky seeds, if W is some 50 k. For a seed that never changes C is one
// fixed linear map, and errors do not average out over rounds: set_seed.
//
// Cells saturate at the largest float. Without state but the seed, which is in the header: a
// receiver takes any.
class CountSketch final : public Compressor {
 public:
  explicit CountSketch(const CountSketchOptions& options);
  void set_seed(std::uint64_t seed) { options_.seed = seed; }
  const CountSketchOptions& options() const { return options_; }

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;

  // Whether merge() takes a message into one of ours of d floats: its shape, its values, and the
  // seed as set_seed has it. Fails as merge does, but for sums.
  Result<void> fits(std::span<const std::byte> message, std::size_t d) const;
  // Adds a neighbor's sketch of d floats to `into`, a message of our own for d floats with the same
  // seed. Fails (ErrorCode::peer), with `into` untouched, where they do not fit or a sum overflows.
  Result<void> merge(std::span<const std::byte> message, std::size_t d,
                     std::span<std::byte> into) const;

 private:
  // The seed of the message of an operator like this one for d floats.
  Result<std::uint64_t> check(std::span<const std::byte> message, std::size_t d) const;
  std::size_t cells() const { return options_.rows * options_.width; }

  CountSketchOptions options_;
};

}  // namespace starling::compress
