#include "compress/kth_magnitude.h"

#include <array>
#include <bit>

#include "compress/kernels/select.h"
#include "protocol/check.h"

namespace starling::compress {
namespace {

std::uint32_t bits_of(float x) { return magnitude(x); }
std::uint32_t bits_of(std::uint32_t bits) { return bits; }

struct Bin {
  std::uint32_t low = 0;
  unsigned shift = 0;     // it holds low up to low + 2^shift - 1
  std::size_t count = 0;  // entries in it
  std::size_t rank = 0;   // of the one that is sought, among them
  bool holds(std::uint32_t bits) const { return (bits - low) >> shift == 0; }
};

// The bin of the k-th largest.
template <unsigned kDigit, class T>
Bin find_bin(std::span<const T> x, std::size_t k, MagnitudeRange range) {
  const auto width = static_cast<unsigned>(std::bit_width(range.high - range.low));
  const unsigned shift = width > kDigit ? width - kDigit : 0;
  // Two tables in turn: neighbors in one bin would wait for each other's store.
  std::array<std::array<std::uint32_t, 1 << kDigit>, 2> counts{};
  std::size_t i = 0;
  for (; i + 2 <= x.size(); i += 2) {
    ++counts[0][(bits_of(x[i]) - range.low) >> shift];
    ++counts[1][(bits_of(x[i + 1]) - range.low) >> shift];
  }
  if (i < x.size()) ++counts[0][(bits_of(x[i]) - range.low) >> shift];
  for (std::size_t digit = (range.high - range.low) >> shift;; --digit) {
    const std::size_t count = std::size_t{counts[0][digit]} + counts[1][digit];
    if (k <= count) {
      return {range.low + (static_cast<std::uint32_t>(digit) << shift), shift, count, k};
    }
    INVARIANT(digit > 0);
    k -= count;
  }
}

// Clearing and searching 2^11 counters costs more than another round over few entries.
template <class T>
Bin find_bin(std::span<const T> x, std::size_t k, MagnitudeRange range) {
  return x.size() < 4096 ? find_bin<7>(x, k, range) : find_bin<11>(x, k, range);
}

// Moves the bin's entries to the front of `to`, which may be where x lies.
template <class T>
void gather(std::span<const T> x, const Bin& bin, std::vector<std::uint32_t>& to) {
  std::size_t n = 0;
  for (const T& value : x) {
    const std::uint32_t bits = bits_of(value);
    if (n == bin.count) break;
    to[n] = bits;
    n += bin.holds(bits);
  }
}

}  // namespace

std::uint32_t kth_magnitude(std::span<const float> x, std::size_t k, MagnitudeRange range,
                            std::vector<std::uint32_t>& rest) {
  Bin bin = find_bin(x, k, range);
  if (bin.shift == 0) return bin.low;
  if (rest.size() < bin.count) rest.resize(bin.count);
  gather(x, bin, rest);
  for (;;) {
    const std::span<const std::uint32_t> in(rest.data(), bin.count);
    bin = find_bin(in, bin.rank, {bin.low, bin.low + (1u << bin.shift) - 1});
    if (bin.shift == 0) return bin.low;
    gather(in, bin, rest);
  }
}

}  // namespace starling::compress
