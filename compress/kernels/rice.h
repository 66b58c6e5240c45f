// The Rice codes of index_code.h, from a list of indices to a stream of bits. compress::ref holds
// the plain loop that defines the bytes; the function here writes the same on every instruction
// set. Every thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace starling::compress {

// Writes the gaps between the indices with b <= 31 low bits each. `out` has room for all of them
// and may end up scribbled on behind them.
void write_rice(std::span<const std::uint32_t> ascending, unsigned b, std::span<std::byte> out);

namespace ref {
void write_rice(std::span<const std::uint32_t> ascending, unsigned b, std::span<std::byte> out);
}  // namespace ref

}  // namespace starling::compress
