// Coordinates to multiples of a step. compress::ref holds the plain loop that defines every bit of
// the results; the function here returns the same bits on every instruction set. Any alignment;
// nothing overlaps. Every thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace starling::compress {

struct UniformStep {
  double step;      // Δ, a float, >= 2^-100
  bool stochastic;  // u from the key; otherwise 1/2
  std::uint64_t key;
};

// code_i = ⌊x_i/Δ + u_i⌋, where u_i is of coordinate first + i of the key; kRawCode where that is
// beyond ±kCodeMax or float(code_i Δ) not less than Δ from x_i. `first` is a multiple of 32, x is
// finite.
void quantize_uniform(std::span<const float> x, std::size_t first, const UniformStep& step,
                      std::int32_t* codes);

namespace ref {
void quantize_uniform(std::span<const float> x, std::size_t first, const UniformStep& step,
                      std::int32_t* codes);
}  // namespace ref

}  // namespace starling::compress
