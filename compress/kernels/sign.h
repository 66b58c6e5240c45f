// One sweep over a vector for its signs and its norm. compress::ref holds the plain loops that
// define every bit of the results; the functions here return the same bits on every instruction
// set. Any alignment; nothing overlaps. Every thread.
//
// Bit i % 8 of byte i / 8 is the IEEE sign bit of x_i; the bits after the last are zero.
#pragma once

#include <cstddef>
#include <span>

namespace starling::compress {

enum class Norm { l1, l2 };

// Σ|x_i| (over 32 lanes of float, each 16384 elements flushed to double; in double where that
// overflows) or Σ x_i² (over 16 lanes of double). Not finite exactly where x is not.
using NormSum = double;

// Writes the signs of x to `bits` ((x.size() + 7) / 8 bytes).
NormSum pack_signs(std::span<const float> x, Norm norm, std::byte* bits);
// e += g; the sum is of the new e.
NormSum add_and_sum(std::span<float> e, std::span<const float> g, Norm norm);
// Writes the signs of e to `bits`, then e_i -= ±s, the sign that of e_i. `ahead`: e.size() floats
// that the caller sweeps over next, or null; they are asked for, while this sweep needs nothing
// from memory.
void pack_signs_and_subtract(std::span<float> e, float s, std::byte* bits,
                             const float* ahead = nullptr);
// y_i += ±s by the signs in `bits`.
void add_signs(const std::byte* bits, float s, std::span<float> y);

namespace ref {
NormSum pack_signs(std::span<const float> x, Norm norm, std::byte* bits);
NormSum add_and_sum(std::span<float> e, std::span<const float> g, Norm norm);
void pack_signs_and_subtract(std::span<float> e, float s, std::byte* bits);
void add_signs(const std::byte* bits, float s, std::span<float> y);
}  // namespace ref

}  // namespace starling::compress
