// Random bits for every coordinate of a vector, as a function of (key, index): the same whatever
// the vector width. kernels/counter_random-inl.h is the same for SIMD lanes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "protocol/random.h"

namespace starling::compress {

// Two multiplies, full avalanche (the "lowbias32" form of Wellons' hash prospector).
// Without its last step the lower bits are the worse ones.
constexpr std::uint32_t mix32_but_last(std::uint32_t z) {
  z = (z ^ (z >> 16)) * 0x7feb352dU;
  return (z ^ (z >> 15)) * 0x846ca68bU;
}

constexpr std::uint32_t mix32(std::uint32_t z) {
  z = mix32_but_last(z);
  return z ^ (z >> 16);
}

// 32 random bits. `key` is the value of a hash (subkey, Random): its two halves place the indices
// 0, 1, 2, … somewhere in a permutation of all 2^32 words that looks random, and two such keys
// share words of n indices with a probability of about n/2^30, at other indices then. One mix is
// enough for that. Keys that differ by a small number instead draw the same words, a few indices
// further on. Of one key no two indices draw the same word.
constexpr std::uint32_t random_bits(std::uint64_t key, std::uint32_t index) {
  return mix32(static_cast<std::uint32_t>(key >> 32) ^ (static_cast<std::uint32_t>(key) + index));
}

// 16 random bits for coordinate i. One draw of 32 serves two coordinates that lie 16 apart, so
// that a vector of lanes serves two vectors.
constexpr std::uint32_t random_half(std::uint64_t key, std::size_t i) {
  const std::size_t group = i / 16;
  const std::uint32_t bits = random_bits(key, static_cast<std::uint32_t>(group / 2 * 16 + i % 16));
  return group % 2 == 0 ? bits & 0xffff : bits >> 16;
}

constexpr std::size_t kSpread = 8;

// The powers 0 to 7 of a multiplier. An odd factor permutes all words, so each of eight products is
// uniform: no expectation and no variance of a coordinate sees that they come from one word. Pairs
// of them lie on a lattice; its figure of merit in the spectral test (Knuth vol. 2, §3.3.4),
// against the densest one in two dimensions, is at least 0.65 for each pair and the lowest 23, 24,
// 28 or 30 bits, as many as quantisers take.
constexpr auto kSpreadFactors = [] {
  std::array<std::uint32_t, kSpread> factors{1};
  for (std::size_t k = 1; k < kSpread; ++k) factors[k] = factors[k - 1] * 0x82dd491dU;
  return factors;
}();

// 32 random bits for coordinate i, of which the lowest are the worst. One draw serves eight
// coordinates that lie 16 apart: a mix costs more than the rest of a quantiser does.
constexpr std::uint32_t random_word(std::uint64_t key, std::size_t i) {
  const auto draw = static_cast<std::uint32_t>(i / (16 * kSpread) * 16 + i % 16);
  const auto high = static_cast<std::uint32_t>(key >> 32), low = static_cast<std::uint32_t>(key);
  return mix32_but_last(high ^ (low + draw)) * kSpreadFactors[i / 16 % kSpread];
}

// The key of a part (a tensor, the second of two operators) of something that has a key.
inline std::uint64_t subkey(std::uint64_t key, std::uint64_t part) {
  return Random(key, Stream::compression, {part}).bits(0);
}

}  // namespace starling::compress
