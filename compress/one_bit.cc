#include "compress/one_bit.h"

#include <bit>
#include <cmath>

#include "compress/buckets.h"
#include "compress/finite.h"
#include "compress/header.h"
#include "compress/kernels/sign.h"

namespace starling::compress {
namespace {

constexpr std::size_t kCached = 4096;  // floats that are swept twice

Header header_of(float scale, std::size_t d) {
  return {.op = Op::one_bit, .d = d, .seed = std::bit_cast<std::uint32_t>(scale)};
}

std::size_t count_above(std::span<const float> x, float scale) {
  std::uint32_t count = 0;
  for (const float value : x) count += std::fabs(value) > scale ? 1 : 0;
  return count;
}

}  // namespace

void OneBit::set_scale(float scale) {
  INVARIANT(scale >= 0 && std::isfinite(scale));
  scale_ = without_underflow(scale);
}

Contract OneBit::contract(std::size_t d) const {
  return {Guarantee::bounded, 0, static_cast<double>(d) * double{scale_} * double{scale_} / 4};
}

std::size_t OneBit::encoded_bytes_max(std::size_t d) const { return kHeaderBytes + (d + 7) / 8; }

Result<std::size_t> OneBit::encode(std::span<const float> x, std::uint64_t /*key*/,
                                   std::span<std::byte> out) {
  std::byte* bits = write_header(header_of(scale_, x.size()), out).data();
  std::size_t overflows = 0;
  for (const Bucket& b : Buckets(x.size(), kCached)) {
    const auto part = x.subspan(b.begin, b.size);
    const NormSum sum = pack_signs(part, Norm::l1, bits + b.begin / 8);
    if (!std::isfinite(sum)) return check_finite(x).error();
    overflows += count_above(part, scale_);
  }
  overflows_ = overflows;
  return encoded_bytes_max(x.size());
}

Result<std::size_t> OneBit::encode_ef(std::span<float> e, std::span<const float> g,
                                      std::uint64_t /*key*/, std::span<std::byte> out) {
  INVARIANT(e.size() == g.size());
  std::byte* bits = write_header(header_of(scale_, e.size()), out).data();
  std::size_t overflows = 0;
  for (const Bucket& b : Buckets(e.size(), kCached)) {
    const auto p = e.subspan(b.begin, b.size);
    const NormSum sum = add_and_sum(p, g.subspan(b.begin, b.size), Norm::l1);
    if (!std::isfinite(sum)) return check_finite(e).error();
    overflows += count_above(p, scale_);
    pack_signs_and_subtract(p, scale_ / 2, bits + b.begin / 8);
  }
  overflows_ = overflows;
  return encoded_bytes_max(e.size());
}

Result<void> OneBit::decode_add(std::span<const std::byte> bytes, float scale,
                                std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::one_bit, y.size());
  if (!header) return header.error();
  const auto s = std::bit_cast<float>(static_cast<std::uint32_t>(header->seed));
  if (!std::isfinite(s) || std::signbit(s) || s != without_underflow(s)) {
    return refused("scale", s, "0 or a finite number of at least 2^-120");
  }
  if (auto same = expect_fields(*header, header_of(s, y.size())); !same) return same;
  if (auto same = expect("message bytes", bytes.size(), encoded_bytes_max(y.size())); !same) {
    return same;
  }
  const std::byte* bits = bytes.data() + kHeaderBytes;
  if (auto zero = check_padding(bits, y.size()); !zero) return zero;
  add_signs(bits, scale * (s / 2), y);
  return {};
}

}  // namespace starling::compress
