// Which k of d coordinates: strictly ascending indices to few bytes and back.
//
// A stream of bits begins with the lowest bit of a byte and is padded with zeros. Gaps are
// g_j = i_j - i_{j-1} - 1 with i_{-1} = -1. No indices take no bytes in every code.
//
//   rice        per gap: g >> b in unary (zeros, then a one), then its b low bits. Σ(g >> b) +
//               k(b + 1) bits, within 1 % of the entropy for indices drawn at random.
//   elias_fano  the l = ⌊log2(d/k)⌋ low bits of each index; then the high parts h_j, rising, as a
//               one at bit h_j + j of k + ⌊d/2^l⌋ + 1 bits (Elias 1974, Fano 1971). Never shorter
//               than Rice; its size does not depend on the indices.
//   blocks16    per 65536 coordinates a u32 count; then per index its low 16 bits. The fastest.
//   bitmap      one bit a coordinate.
//   all         k = d: nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/result.h"

namespace starling::compress {

// Numbers on the wire, in 3 bits.
enum class IndexCode : std::uint8_t { rice = 1, elias_fano = 2, blocks16 = 3, bitmap = 4, all = 5 };

struct IndexPlan {
  IndexCode code = IndexCode::rice;
  std::uint8_t parameter = 0;  // Rice's b, at most 31; 0 for the others
  std::size_t bytes = 0;       // exactly what write_indices writes
  bool operator==(const IndexPlan&) const = default;
};

// The shortest code for these indices, all below d; among equals the faster one. Rice's b is
// ⌊log2((d - k)/k)⌋: log2(ln 2 (1 - p)/p) rounded, up to 2 %, and the b whose worst case is
// shortest.
IndexPlan plan_indices(std::span<const std::uint32_t> ascending, std::size_t d);

// The same for one code; `all` only where k = d.
IndexPlan plan_indices_as(IndexCode code, std::span<const std::uint32_t> ascending, std::size_t d);

// The most that plan_indices takes for k indices below d, and what d - k, …, d - 1 do take. Never
// falls with k below d, and is 0 for d.
std::size_t index_bytes_max(std::size_t k, std::size_t d);
// The same for plan_indices_as.
std::size_t index_bytes_max_as(IndexCode code, std::size_t k, std::size_t d);

// Writes plan.bytes bytes to the start of `out`. The plan is of these indices and d.
void write_indices(const IndexPlan& plan, std::span<const std::uint32_t> ascending, std::size_t d,
                   std::span<std::byte> out);

// Fills `out` with strictly ascending indices below d from the start of `in`, which may be longer,
// and returns the bytes read. Fails (ErrorCode::peer) on bytes that write_indices cannot have
// written for out.size() indices, whatever they and the code are; in time linear in `in` and `out`.
Result<std::size_t> read_indices(const IndexPlan& plan, std::size_t d,
                                 std::span<const std::byte> in, std::span<std::uint32_t> out);

}  // namespace starling::compress
