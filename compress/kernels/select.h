// The coordinates whose magnitude reaches a threshold, in one sweep. compress::ref holds the plain
// loops that define the results; the functions here return the same on every instruction set. Any
// alignment; nothing overlaps. Every thread.
//
// Magnitudes are compared as integers, the bits of |x|: they are ordered as the numbers are, and
// whatever is not finite lies at the top, so a sweep also finds it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace starling::compress {

constexpr std::uint32_t magnitude(float x) { return std::bit_cast<std::uint32_t>(x) & 0x7fffffff; }
constexpr std::uint32_t kInfinity = 0x7f800000;  // its magnitude; NaN lies above

// Where a sweep leaves what it keeps. Both spans hold capacity() entries and kSlack more, which are
// scribbled on.
struct Slots {
  static constexpr std::size_t kSlack = 64;

  std::span<std::uint32_t> indices;
  std::span<float> values;
  std::size_t capacity() const { return indices.size() - kSlack; }
};

struct Collected {
  std::size_t count;      // entries that were kept, or capacity() + 1: too many, and no use
  std::uint32_t largest;  // magnitude of the largest one, 0 without any or with too many
  bool operator==(const Collected&) const = default;
};

// The entries with magnitude(x_i) >= threshold, by ascending index. Stops early where there are too
// many. x.size() < 2^32.
Collected collect_at_least(std::span<const float> x, std::uint32_t threshold, Slots to);

// e += g, to the end whatever happens, and the entries of the new e.
Collected add_and_collect(std::span<float> e, std::span<const float> g, std::uint32_t threshold,
                          Slots to);

// The same, and e becomes 0 where an entry was kept; nowhere where they are too many.
Collected add_and_take(std::span<float> e, std::span<const float> g, std::uint32_t threshold,
                       Slots to);

// Of the first `count` entries, writes those of a magnitude below `bound` to their places in e.
void put_back_below(Slots entries, std::size_t count, std::uint32_t bound, std::span<float> e);

// e becomes 0 at these indices, which are of e.
void clear_at(std::span<const std::uint32_t> indices, std::span<float> e);

// Of the first `count` entries, moves those of at least the threshold to the front. Returns how
// many they are.
std::size_t keep_at_least(Slots entries, std::size_t count, std::uint32_t threshold);

// Writes those of a magnitude below `bound` < 2^31 to `to`, which has room for all and kSlack more.
std::size_t values_below(std::span<const float> values, std::uint32_t bound, std::span<float> to);

namespace ref {

Collected collect_at_least(std::span<const float> x, std::uint32_t threshold, Slots to);
Collected add_and_collect(std::span<float> e, std::span<const float> g, std::uint32_t threshold,
                          Slots to);
Collected add_and_take(std::span<float> e, std::span<const float> g, std::uint32_t threshold,
                       Slots to);
void put_back_below(Slots entries, std::size_t count, std::uint32_t bound, std::span<float> e);
std::size_t keep_at_least(Slots entries, std::size_t count, std::uint32_t threshold);
std::size_t values_below(std::span<const float> values, std::uint32_t bound, std::span<float> to);

// The indices of the k largest magnitudes, without zeros, ascending; of equal ones the lowest.
std::vector<std::uint32_t> top_indices(std::span<const float> x, std::size_t k);

}  // namespace ref
}  // namespace starling::compress
