// An operator at several levels of rate, of which each message uses one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "compress/compressor.h"
#include "compress/options.h"
#include "compress/quantize.h"
#include "compress/sparse.h"

namespace starling::compress {

// Levels of one operator, from the lowest, which is the operator as its options have it, upwards:
// each sends more and is wrong by less. Which levels there are follows from the options alone, so
// that both ends of an edge know the same ones. Engine thread only; takes vectors of every size.
class Ladder {
 public:
  virtual ~Ladder() = default;

  virtual std::size_t levels() const = 0;
  // Whether neighboring levels differ by a tenth or so; otherwise by a factor of two or more.
  virtual bool is_fine() const = 0;
  virtual Contract contract(std::size_t level, std::size_t d) const = 0;
  virtual std::size_t bytes_max(std::size_t level, std::size_t d) const = 0;
  // out[l] becomes ‖C_l(x) - x‖², or what it is expected to be, estimated from 64 Ki coordinates
  // where there are more. What is not finite counts as 0. 0 for x = 0.
  virtual void errors(std::span<const float> x, std::span<double> out) = 0;
  // Both as Compressor's.
  virtual Result<std::size_t> encode(std::size_t level, std::span<const float> x, std::uint64_t key,
                                     std::span<std::byte> out) = 0;
  virtual Result<void> decode_add(std::size_t level, std::span<const std::byte> bytes, float scale,
                                  std::span<float> y) const = 0;
  virtual void archive(Archive& archive) = 0;
};

// The share of the coordinates grows by 2^(1/8) a level, from `ratio` to kLadderRatioMax.
inline constexpr double kLadderRatioMax = 0.25;
std::unique_ptr<Ladder> make_top_k_ladder(double ratio, SparseCoder coder);

// Those of 2, 4 and 8 bits that are not below `lowest`.
std::unique_ptr<Ladder> make_quantize_ladder(const QuantizeParams& lowest);

// Whether an operator has one, of two levels at least. Here as below `options` have passed
// check_options.
bool has_ladder(const OperatorOptions& options);
// Of an operator that has one. In make_operator.cc.
std::unique_ptr<Ladder> make_ladder(const OperatorOptions& options);

}  // namespace starling::compress
