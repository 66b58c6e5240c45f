#include "compress/count_sketch.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "compress/buckets.h"
#include "compress/counter_random.h"
#include "compress/finite.h"
#include "compress/header.h"

namespace starling::compress {
namespace {

constexpr std::size_t kBlock = 16, kRowsMax = 7;
constexpr std::size_t kWidthMax = std::size_t{1} << 28;
using Lanes = std::array<float, kBlock>;

// Where a block of coordinates is in a row, and which of them are negated.
struct Place {
  std::size_t begin;
  std::uint32_t signs;
};

class Hash {
 public:
  Hash(std::uint64_t seed, std::size_t width) : blocks_(width / kBlock) {
    for (std::size_t k = 0; k < keys_.size(); ++k) keys_[k] = subkey(seed, k);
  }
  Place operator()(std::size_t row, std::size_t block) const {
    const auto index = static_cast<std::uint32_t>(block);
    const std::uint64_t bits = random_bits(keys_[2 * row], index);
    return {(bits * blocks_ >> 32) * kBlock, random_bits(keys_[2 * row + 1], index)};
  }

 private:
  std::uint64_t blocks_;
  std::array<std::uint64_t, 2 * kRowsMax> keys_;
};

float negated(float x, std::uint32_t signs, std::size_t lane) {
  const std::uint32_t flip = (signs >> lane & 1) << 31;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) ^ flip);
}

float saturated(double x) {
  constexpr double kMost = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(x, -kMost, kMost));
}

template <class Cell>
void sketch(std::span<const float> x, const Hash& hash, std::size_t rows, std::span<Cell> table) {
  const std::size_t width = table.size() / rows;
  for (const Bucket& block : Buckets(x.size(), kBlock)) {
    for (std::size_t row = 0; row < rows; ++row) {
      const Place place = hash(row, block.index);
      Cell* cells = &table[row * width + place.begin];
      const float* from = &x[block.begin];
      if (block.size == kBlock) {
        for (std::size_t l = 0; l < kBlock; ++l) cells[l] += negated(from[l], place.signs, l);
      } else {
        for (std::size_t l = 0; l < block.size; ++l) cells[l] += negated(from[l], place.signs, l);
      }
    }
  }
}

void order(Lanes& a, Lanes& b) {
  for (std::size_t l = 0; l < kBlock; ++l) {
    const float low = std::min(a[l], b[l]), high = std::max(a[l], b[l]);
    a[l] = low;
    b[l] = high;
  }
}

// Lane by lane, by enough rounds of a bubble sort to put the middle into its place.
const Lanes& median(std::array<Lanes, kRowsMax>& rows, std::size_t count) {
  for (std::size_t last = count - 1; last > count / 2; --last) {
    for (std::size_t r = 0; r < last; ++r) order(rows[r], rows[r + 1]);
  }
  for (std::size_t r = 0; r < count / 2; ++r) order(rows[r], rows[r + 1]);
  return rows[count / 2];
}

// Calls give(i, estimate) for every coordinate below d.
template <class Give>
void estimate(const std::byte* table, const CountSketchOptions& options, std::size_t d,
              Give&& give) {
  const Hash hash(options.seed.value(), options.width);
  std::array<Lanes, kRowsMax> rows;
  for (const Bucket& block : Buckets(d, kBlock)) {
    for (std::size_t row = 0; row < options.rows; ++row) {
      const Place place = hash(row, block.index);
      const std::byte* cells = table + (row * options.width + place.begin) * sizeof(float);
      for (std::size_t l = 0; l < kBlock; ++l) {
        rows[row][l] = negated(load<float>(cells + l * sizeof(float)), place.signs, l);
      }
    }
    const Lanes& middle = options.rows == 1 ? rows[0] : median(rows, options.rows);
    for (std::size_t l = 0; l < block.size; ++l) give(block.begin + l, middle[l]);
  }
}

std::uint32_t magnitude(float x) { return std::bit_cast<std::uint32_t>(x) & 0x7fffffff; }

// Zeros all but the `keep` largest magnitudes; of equal ones those in front stay.
void keep_largest(std::span<float> x, std::size_t keep) {
  if (keep >= x.size()) return;
  std::vector<std::uint32_t> sorted(x.size());
  std::ranges::transform(x, sorted.begin(), magnitude);
  const auto last = sorted.begin() + static_cast<std::ptrdiff_t>(keep - 1);
  std::ranges::nth_element(sorted, last, std::greater<>());
  const std::uint32_t threshold = *last;
  auto equal = keep - static_cast<std::size_t>(std::count_if(
                          sorted.begin(), last, [=](auto bits) { return bits > threshold; }));
  for (float& value : x) {
    const std::uint32_t bits = magnitude(value);
    if (bits > threshold || (bits == threshold && equal > 0 && equal-- > 0)) continue;
    value = 0;
  }
}

}  // namespace

CountSketch::CountSketch(const CountSketchOptions& options) : options_(options) {
  INVARIANT(options.rows % 2 == 1 && options.rows <= kRowsMax);
  INVARIANT(std::has_single_bit(options.width) && options.width >= kBlock);
  INVARIANT(options.width <= kWidthMax && options.keep <= kFloatsMax);
}

Contract CountSketch::contract(std::size_t d) const {
  const double omega =
      static_cast<double>(std::max<std::size_t>(d, 1) - 1) / static_cast<double>(options_.width);
  if (options_.keep > 0) return {Guarantee::bounded, 1 + omega};
  return {Guarantee::unbiased, omega};
}

std::size_t CountSketch::encoded_bytes_max(std::size_t /*d*/) const {
  return kHeaderBytes + cells() * sizeof(float);
}

Result<std::size_t> CountSketch::encode(std::span<const float> x, std::uint64_t key,
                                        std::span<std::byte> out) {
  if (Result<void> finite = check_finite(x); !finite) return finite.error();
  const std::uint64_t seed = options_.seed.value_or(key);
  const Hash hash(seed, options_.width);
  std::vector<float> table(cells(), 0.0f);
  sketch(x, hash, options_.rows, std::span(table));
  if (first_non_finite(table)) {
    std::vector<double> wide(cells(), 0.0);
    sketch(x, hash, options_.rows, std::span(wide));
    std::ranges::transform(wide, table.begin(), saturated);
  }
  const auto body = write_header({.op = Op::count_sketch,
                                  .param = static_cast<std::uint16_t>(options_.rows),
                                  .d = x.size(),
                                  .count = static_cast<std::uint32_t>(options_.keep),
                                  .bucket = static_cast<std::uint32_t>(options_.width),
                                  .seed = seed},
                                 out);
  std::memcpy(body.data(), table.data(), table.size() * sizeof(float));
  return encoded_bytes_max(x.size());
}

Result<std::uint64_t> CountSketch::check(std::span<const std::byte> message, std::size_t d) const {
  const Result<Header> header = read_header(message, Op::count_sketch, d);
  if (!header) return header.error();
  const Header expected{.param = static_cast<std::uint16_t>(options_.rows),
                        .count = static_cast<std::uint32_t>(options_.keep),
                        .bucket = static_cast<std::uint32_t>(options_.width),
                        .seed = header->seed};
  if (auto same = expect_fields(*header, expected); !same) return same.error();
  const auto table = message.subspan(kHeaderBytes);
  if (auto checked = check_raw_floats(table, cells()); !checked) return checked.error();
  return header->seed;
}

Result<void> CountSketch::decode_add(std::span<const std::byte> bytes, float scale,
                                     std::span<float> y) const {
  const Result<std::uint64_t> seed = check(bytes, y.size());
  if (!seed) return seed.error();
  CountSketchOptions of_message = options_;
  of_message.seed = *seed;
  const std::byte* table = bytes.data() + kHeaderBytes;
  if (options_.keep == 0) {
    estimate(table, of_message, y.size(), [&](std::size_t i, float x) { y[i] += scale * x; });
    return {};
  }
  std::vector<float> x(y.size());
  estimate(table, of_message, y.size(), [&](std::size_t i, float value) { x[i] = value; });
  keep_largest(x, options_.keep);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += scale * x[i];
  return {};
}

Result<void> CountSketch::fits(std::span<const std::byte> message, std::size_t d) const {
  const Result<std::uint64_t> theirs = check(message, d);
  if (!theirs) return theirs.error();
  return expect("header field seed", *theirs, options_.seed.value());
}

Result<void> CountSketch::merge(std::span<const std::byte> message, std::size_t d,
                                std::span<std::byte> into) const {
  const Result<std::uint64_t> ours = check(into, d), theirs = check(message, d);
  INVARIANT(ours.ok());
  if (!theirs) return theirs.error();
  if (auto same = expect("header field seed", *theirs, *ours); !same) return same;
  std::vector<float> sums(cells());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const std::size_t at = kHeaderBytes + i * sizeof(float);
    sums[i] = load<float>(into.data() + at) + load<float>(message.data() + at);
  }
  if (const auto bad = first_non_finite(sums)) {
    return refused(fmt::format("sum of cell {}", *bad), sums[*bad], "a finite number");
  }
  std::memcpy(into.data() + kHeaderBytes, sums.data(), sums.size() * sizeof(float));
  return {};
}

}  // namespace starling::compress
