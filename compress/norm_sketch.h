// How far two vectors on two machines are from each other, told by one KiB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "protocol/result.h"

namespace starling::compress {

inline constexpr std::size_t kNormSketchCells = 256;
using NormSketch = std::array<float, kNormSketchCells>;

// Alon, Matias, Szegedy 1996, in the form of Charikar, Chen, Farach-Colton 2002 with one row: cell
// h(i) gets ±x_i, both drawn from (key, i). It is linear, so the norm of S(x) - S(y) estimates that
// of x - y; its square is right in expectation over keys with a standard deviation of at most
// sqrt(2 / 256), the norm itself off by about 4.4 %. Rounding hides distances below 2^-20 of the
// norms. Cells saturate at the largest float. x is finite. One pass; the same bits on every
// machine.
NormSketch sketch_norm(std::span<const float> x, std::uint64_t key);

// One that has travelled: 1,024 bytes, float32 little endian. Fails with ErrorCode::peer where the
// length is another or a value is not finite; `what`: whose it is, "a settlement's sketch", say.
Result<NormSketch> read_norm_sketch(std::span<const std::byte> bytes, const std::string& what);

double norm(const NormSketch& sketch);
// Of the vectors of two sketches with the same key.
double distance(const NormSketch& a, const NormSketch& b);
// The same relative to the norm of a; the distance itself where that is 0.
double relative_distance(const NormSketch& a, const NormSketch& b);

}  // namespace starling::compress
