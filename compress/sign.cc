#include "compress/sign.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "compress/buckets.h"
#include "compress/finite.h"
#include "compress/header.h"

namespace starling::compress {
namespace {

constexpr std::uint8_t kL2Flag = 1;

Header header_of(Norm norm, std::size_t bucket, std::size_t d) {
  return {.op = Op::sign,
          .flags = norm == Norm::l2 ? kL2Flag : std::uint8_t{0},
          .d = d,
          .bucket = static_cast<std::uint32_t>(bucket)};
}

}  // namespace

Sign::Sign(Norm norm, std::size_t bucket) : norm_(norm), bucket_(bucket) {
  INVARIANT(bucket % 8 == 0);
}

std::size_t Sign::bucket_of(std::size_t d) const { return bucket_ == 0 ? d : bucket_; }

Contract Sign::contract(std::size_t d) const {
  const auto b = static_cast<double>(std::max<std::size_t>(1, std::min(bucket_of(d), d)));
  if (norm_ == Norm::l1) {
    return {Guarantee::contractive, 1 / b, 0, std::max(1 / b, 2 / std::numbers::pi)};
  }
  return {Guarantee::bounded, 2 * (1 - 1 / std::sqrt(b))};
}

std::size_t Sign::encoded_bytes_max(std::size_t d) const {
  return kHeaderBytes + Buckets(d, bucket_of(d)).count() * sizeof(float) + (d + 7) / 8;
}

float Sign::scale_of(double sum, std::size_t count) const {
  const auto n = static_cast<double>(count);
  return without_underflow(static_cast<float>(norm_ == Norm::l1 ? sum / n : std::sqrt(sum / n)));
}

Result<std::size_t> Sign::encode(std::span<const float> x, std::uint64_t /*key*/,
                                 std::span<std::byte> out) {
  const Buckets buckets(x.size(), bucket_of(x.size()));
  std::byte* scales = write_header(header_of(norm_, bucket_, x.size()), out).data();
  std::byte* bits = scales + buckets.count() * sizeof(float);
  for (const Bucket& b : buckets) {
    const double sum = pack_signs(x.subspan(b.begin, b.size), norm_, bits + b.begin / 8);
    if (!std::isfinite(sum)) return check_finite(x).error();
    store(scale_of(sum, b.size), scales + b.index * sizeof(float));
  }
  return encoded_bytes_max(x.size());
}

Result<std::size_t> Sign::encode_ef(std::span<float> e, std::span<const float> g,
                                    std::uint64_t /*key*/, std::span<std::byte> out) {
  INVARIANT(e.size() == g.size());
  const Buckets buckets(e.size(), bucket_of(e.size()));
  std::byte* scales = write_header(header_of(norm_, bucket_, e.size()), out).data();
  std::byte* bits = scales + buckets.count() * sizeof(float);
  for (const Bucket& b : buckets) {
    const auto p = e.subspan(b.begin, b.size);
    const double sum = add_and_sum(p, g.subspan(b.begin, b.size), norm_);
    if (!std::isfinite(sum)) return check_finite(e).error();
    const float s = scale_of(sum, b.size);
    const std::size_t next = b.begin + b.size;
    const float* ahead = next + b.size <= e.size() ? &e[next] : nullptr;
    pack_signs_and_subtract(p, s, bits + b.begin / 8, ahead);
    store(s, scales + b.index * sizeof(float));
  }
  return encoded_bytes_max(e.size());
}

Result<void> Sign::decode_add(std::span<const std::byte> bytes, float scale,
                              std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::sign, y.size());
  if (!header) return header.error();
  if (auto same = expect_fields(*header, header_of(norm_, bucket_, y.size())); !same) return same;
  if (auto same = expect("message bytes", bytes.size(), encoded_bytes_max(y.size())); !same) {
    return same;
  }
  const Buckets buckets(y.size(), bucket_of(y.size()));
  const std::byte* scales = bytes.data() + kHeaderBytes;
  if (auto checked = check_scales(scales, buckets.count()); !checked) return checked;
  const std::byte* bits = scales + buckets.count() * sizeof(float);
  if (auto zero = check_padding(bits, y.size()); !zero) return zero;
  for (const Bucket& b : buckets) {
    add_signs(bits + b.begin / 8, scale * load<float>(scales + b.index * sizeof(float)),
              y.subspan(b.begin, b.size));
  }
  return {};
}

}  // namespace starling::compress
