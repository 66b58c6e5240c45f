#include <algorithm>
#include <bit>
#include <cmath>

#include "compress/counter_random.h"
#include "compress/header.h"
#include "compress/kernels/bucket_norm.h"
#include "compress/kernels/codes.h"

namespace starling::compress {
namespace {

// Where the field of element i is.
struct Field {
  std::size_t byte;
  unsigned shift;
};

Field field_of(unsigned bits, std::size_t i) {
  if (bits == 8) return {i, 0};
  const std::size_t block = i / kCodeBlock, word = i % 16;
  const auto low = static_cast<unsigned>(i % kCodeBlock / 16) * bits;
  return {block * (kCodeBlock / 8 * bits) + word * bits + low / 8, low % 8};
}

float lowest_power(int s) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(128 - s) << 23);
}

// u_i times 2^point.
std::uint32_t fraction_of(const CodeFormat& format, const CodeDraw& draw, std::size_t i,
                          unsigned point) {
  if (format.rounding == Rounding::nearest) return 1U << (point - 1);
  return random_word(draw.key, draw.first + i) & ((1U << point) - 1);
}

int uniform_code(float v, unsigned point, std::uint32_t fraction) {
  const auto fixed = static_cast<std::int64_t>(std::nearbyint(std::ldexp(double{v}, point)));
  return static_cast<int>((fixed + fraction) >> point);
}

int power_code(float v, int s, std::uint32_t fraction) {
  const float size = std::fabs(v);
  const bool small = size < lowest_power(s);
  const float shifted = small ? size + lowest_power(s) : size;
  const std::uint32_t rounded = std::bit_cast<std::uint32_t>(shifted) + fraction;
  const int q = std::min(s, static_cast<int>(rounded >> 23) - 127 + s - (small ? 1 : 0));
  return std::signbit(v) ? -q : q;
}

int code_of(float x, const CodeFormat& format, const CodeDraw& draw, std::size_t i) {
  const float v = x * draw.inverse;
  const unsigned point = point_of(format);
  const std::uint32_t fraction = fraction_of(format, draw, i, point);
  if (format.grid == Grid::powers) return power_code(v, levels_of(format), fraction);
  return uniform_code(format.grid == Grid::ternary ? std::clamp(v, -1.0f, 1.0f) : v, point,
                      fraction);
}

float level(int code, const CodeFormat& format) {
  const int q = std::max(code, -levels_of(format.bits));
  if (format.grid != Grid::powers || q == 0) return static_cast<float>(q);
  const auto exponent = static_cast<std::uint32_t>(std::abs(q) + 127 - levels_of(format));
  return std::copysign(std::bit_cast<float>(exponent << 23), static_cast<float>(q));
}

}  // namespace

int code_at(const std::byte* codes, unsigned bits, std::size_t i) {
  const Field field = field_of(bits, i);
  const unsigned value = std::to_integer<unsigned>(codes[field.byte]) >> field.shift;
  return static_cast<int>(value << (32 - bits)) >> (32 - bits);
}

namespace ref {

void write_codes(std::span<const float> x, const CodeFormat& format, const CodeDraw& draw,
                 std::byte* codes) {
  std::fill(codes, codes + code_bytes(format.bits, x.size()), std::byte{0});
  const unsigned mask = (1U << format.bits) - 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto code = static_cast<unsigned>(code_of(x[i], format, draw, i)) & mask;
    const Field field = field_of(format.bits, i);
    codes[field.byte] |= static_cast<std::byte>(code << field.shift);
  }
}

void write_codes_and_subtract(std::span<float> e, const CodeFormat& format, const CodeDraw& draw,
                              float unit, std::byte* codes) {
  ref::write_codes(e, format, draw, codes);
  const float step = -unit;
  if (!e.empty()) ref::add_codes(codes, format, {&step, 1}, e.size(), e);
}

bool write_buckets(std::span<const float> x, std::size_t bucket, const CodeFormat& format,
                   std::uint64_t key, std::byte* scales, std::byte* codes) {
  for (std::size_t begin = 0; begin < x.size(); begin += bucket) {
    const double norm = ref::bucket_norm(x.subspan(begin, bucket), BucketNorm::max);
    if (!std::isfinite(norm)) return false;
    const float scale = scale_of(norm);
    store(scale, scales + begin / bucket * sizeof scale);
    ref::write_codes(x.subspan(begin, bucket), format, {inverse_of(scale, format), key, begin},
                     codes + code_bytes(format.bits, begin));
  }
  return true;
}

void add_codes(const std::byte* codes, const CodeFormat& format, std::span<const float> units,
               std::size_t bucket, std::span<float> y) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] += level(code_at(codes, format.bits, i), format) * units[i / bucket];
  }
}

}  // namespace ref
}  // namespace starling::compress
