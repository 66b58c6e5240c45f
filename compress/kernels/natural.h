// Floats rounded to powers of two without bias, and back. compress::ref holds the plain loops that
// define every bit of the results; the functions here return the same bits on every instruction
// set. Any alignment; nothing overlaps. Every thread.
//
// x_i is rounded up to 2^m from 2^(m-1) with the probability of its fraction's bits, exactly: the
// highest 23 of random_bits(key, i) are added to them, and what they carry into the exponent field
// stays. A field of 255 becomes 254.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace starling::compress {

enum class NaturalForm { nine_bits, eight_bits };

// The codes of some floats.
template <class Byte>
struct NaturalCodes {
  // A byte for each float. nine_bits: its exponent field. eight_bits: the sign highest, below it
  // the field less 17, cut to 0 … 127.
  Byte* fields;
  // nine_bits alone: bit i % 8 of byte i / 8 is the sign bit of x_i, the bits behind the last are
  // 0.
  Byte* signs;
};

// Of element i of the span, first + i is drawn.
struct NaturalDraw {
  std::uint64_t key;
  std::size_t first;
};

// Writes the codes of x. Returns whether x is finite.
bool write_powers(std::span<const float> x, NaturalForm form, const NaturalDraw& draw,
                  const NaturalCodes<std::byte>& codes);
// y_i += scale · C(x)_i. A field of 255 must have been refused.
void add_powers(const NaturalCodes<const std::byte>& codes, NaturalForm form, float scale,
                std::span<float> y);

namespace ref {
bool write_powers(std::span<const float> x, NaturalForm form, const NaturalDraw& draw,
                  const NaturalCodes<std::byte>& codes);
void add_powers(const NaturalCodes<const std::byte>& codes, NaturalForm form, float scale,
                std::span<float> y);
}  // namespace ref

}  // namespace starling::compress
