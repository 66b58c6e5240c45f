// Quantised coordinates as bits: short for small integers, shorter for runs of zeros, and never
// longer than the floats themselves.
//
// A vector is written in chunks of 4096 coordinates (the last one shorter), each behind a mode of 2
// bits; whichever is shorter is taken, so that a layer that falls silent costs nothing for the sake
// of one that does not:
//
//   0 rice   blocks of 256 (the last shorter): 5 bits of parameter b, then every coordinate as a
//            Rice code of its zig-zag integer z (0, -1, 1, -2 … are 0, 1, 2, 3 …): z >> b zeros, a
//            one, the b low bits of z. 24 zeros and a one announce the float itself, for integers
//            that are out of range or longer than that. b = 31: the floats of the whole block.
//   1 runs   4 bits g, 4 bits h, 5 bits k; then for each non-zero coordinate the zeros before it as
//            a Rice code of parameter g, and its sign; then for each of those with a magnitude
//            above 1 the ones before it (parameter h) and magnitude - 2 as above (parameter k).
//            What is left behind the last of either is a run too, unless nothing is left.
//   2 zeros  nothing more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "compress/bits.h"
#include "protocol/result.h"

namespace starling::compress {

constexpr std::size_t kCodeChunk = 4096, kCodeBlock = 256;
constexpr std::int32_t kCodeMax = (1 << 20) - 1;                             // of |code|
constexpr std::int32_t kRawCode = std::numeric_limits<std::int32_t>::min();  // send the float

// The most bits that chunks of d coordinates with |code| <= code_max take; 32 a coordinate, and the
// fields, where raw ones are among them.
std::size_t chunk_bits_max(std::size_t d, std::int32_t code_max, bool raw);

class ChunkWriter {
 public:
  // Writes a chunk. Codes that are sent as the float x_i become kRawCode.
  void put(std::span<std::int32_t> codes, std::span<const float> x, BitWriter& bits);

 private:
  struct Runs {
    std::vector<std::uint32_t> gaps;
    unsigned parameter = 0;
    std::size_t bits = 0;
  };

  std::size_t plan_rice(std::span<const std::int32_t> codes);
  std::size_t plan_runs(std::span<const std::int32_t> codes);
  void put_rice(std::span<std::int32_t> codes, std::span<const float> x, BitWriter& bits) const;
  void put_runs(std::span<std::int32_t> codes, std::span<const float> x, BitWriter& bits) const;
  void plan_gaps(Runs& runs);

  std::vector<std::uint32_t> zigzags_, excesses_;
  unsigned parameters_[kCodeChunk / kCodeBlock] = {};
  unsigned excess_parameter_ = 0;
  Runs zeros_, ones_;
};

// Reads a chunk of codes.size() <= kCodeChunk coordinates; where the code is kRawCode the float is
// in raw. Fails (ErrorCode::peer) on |code| > code_max, on a float that is not finite and on fields
// that a writer does not write. Overruns are the reader's to tell.
Result<void> get_chunk(BitReader& bits, std::int32_t code_max, std::span<std::int32_t> codes,
                       std::span<float> raw);

}  // namespace starling::compress
