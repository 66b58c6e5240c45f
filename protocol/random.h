// Randomness as a function, not a stream: the i-th number of a key is always the same number, on
// every machine, whatever the thread count or vector width. Both ends of an edge draw the same
// start vectors from it without sending them, which is why it stands on the protocol's floor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace starling {

// What a number is drawn for, so that two uses never share numbers.
enum class Stream : std::uint64_t {
  topology = 1,
  data_split,
  batch_order,
  initial_model,
  quadratic,
  low_rank_start,
  gradient_noise,
  redial_jitter,
  test,
  compression,
  measurement,
  link_jitter,
  link_loss,
  faults,
  storage_faults,
  partner,
  drift,
  consensus,
  participation,
};

// Counter-based generator: splitmix64's finaliser over (key, index).
class Random {
 public:
  // Key = (run seed, stream, whatever else tells this use from others: node, tensor, round …).
  Random(std::uint64_t seed, Stream stream, std::initializer_list<std::uint64_t> parts = {});

  std::uint64_t bits(std::uint64_t index) const;
  // Uniform in [0, 1), a multiple of 2^-53.
  double uniform(std::uint64_t index) const;
  // Uniform in [0, bound), bound > 0. The bias is below bound / 2^64.
  std::uint64_t below(std::uint64_t index, std::uint64_t bound) const;
  // Mean 0, variance 1, |x| <= 6: twelve 16-bit uniforms summed (Irwin-Hall). Only exact integer
  // and one rounding step are involved, so no libm can make two machines differ.
  float normal(std::uint64_t index) const;
  void fill_normal(std::span<float> out) const;

 private:
  std::uint64_t key_;
};

}  // namespace starling
