#include "compress/cast.h"

#include <algorithm>
#include <bit>

#include "compress/finite.h"
#include "compress/half_floats.h"
#include "compress/header.h"

namespace starling::compress {
namespace {

Header header_of(Half format, std::size_t d) {
  return {.op = format == Half::bfloat16 ? Op::bfloat16 : Op::float16, .d = d};
}

// Why x could not be rounded.
Error outside(std::span<const float> x, Half format) {
  if (auto finite = check_finite(x); !finite) return finite.error();
  const auto bad = std::ranges::find_if(x, [=](float value) {
    return (std::bit_cast<std::uint32_t>(value) & 0x7fffffff) >= first_outside(format);
  });
  INVARIANT(bad != x.end());
  return {ErrorCode::diverged,
          fmt::format("found {} at index {}, the largest float16 is 65504; use bfloat16", *bad,
                      bad - x.begin())};
}

Error not_finite(const std::byte* halves, Half format) {
  std::size_t i = 0;
  while (all_finite(halves + 2 * i, 1, format)) ++i;
  const auto half = load<std::uint16_t>(halves + 2 * i);
  return refused(fmt::format("value at index {}", i),
                 format == Half::bfloat16 ? from_bfloat16(half) : from_float16(half),
                 "a finite number");
}

}  // namespace

Contract Cast::contract(std::size_t d) const {
  if (format_ == Half::bfloat16) return {Guarantee::contractive, 1 - 0x1p-16};
  return {Guarantee::bounded, 0x1p-22, 0x1p-50 * static_cast<double>(d)};
}

std::size_t Cast::encoded_bytes_max(std::size_t d) const { return kHeaderBytes + 2 * d; }

Result<std::size_t> Cast::encode(std::span<const float> x, std::uint64_t /*key*/,
                                 std::span<std::byte> out) {
  const auto halves = write_header(header_of(format_, x.size()), out);
  if (!round_to_halves(x, format_, halves.data())) return outside(x, format_);
  return encoded_bytes_max(x.size());
}

Result<std::size_t> Cast::encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                    std::span<std::byte> out) {
  if (format_ == Half::float16) return Compressor::encode_ef(e, g, key, out);
  const auto halves = write_header(header_of(format_, e.size()), out);
  if (!add_and_round(e, g, halves.data())) return check_finite(e).error();
  return encoded_bytes_max(e.size());
}

Result<void> Cast::decode_add(std::span<const std::byte> bytes, float scale,
                              std::span<float> y) const {
  const Header expected = header_of(format_, y.size());
  const Result<Header> header = read_header(bytes, expected.op, y.size());
  if (!header) return header.error();
  if (auto same = expect_fields(*header, expected); !same) return same;
  if (auto same = expect("message bytes", bytes.size(), encoded_bytes_max(y.size())); !same) {
    return same;
  }
  const std::byte* halves = bytes.data() + kHeaderBytes;
  if (!all_finite(halves, y.size(), format_)) return not_finite(halves, format_);
  add_halves(halves, format_, scale, y);
  return {};
}

}  // namespace starling::compress
