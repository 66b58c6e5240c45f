// The largest magnitude of every block. compress::ref holds the plain loop that defines the
// result; the function here returns the same on every instruction set. Any alignment; nothing
// overlaps. Every thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace starling::compress {

// For blocks of `block` elements of x, the last one possibly shorter: where in its block the
// largest magnitude is, of equal ones the first. `where` has one entry a block. Returns the largest
// magnitude of all (select.h): at least kInfinity exactly where x is not finite.
std::uint32_t block_maxima(std::span<const float> x, std::size_t block,
                           std::span<std::uint32_t> where);

namespace ref {
std::uint32_t block_maxima(std::span<const float> x, std::size_t block,
                           std::span<std::uint32_t> where);
}  // namespace ref

}  // namespace starling::compress
