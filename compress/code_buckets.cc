#include "compress/code_buckets.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "compress/buckets.h"
#include "compress/finite.h"
#include "compress/header.h"

namespace starling::compress {
float scale_of(double norm) {
  constexpr double kMost = std::numeric_limits<float>::max();
  return without_underflow(static_cast<float>(std::min(norm, kMost)));
}

Result<void> check_code_padding(const std::byte* codes, unsigned bits, std::size_t count) {
  const std::size_t fields = code_bytes(bits, count) * 8 / bits;
  for (std::size_t i = count; i < fields; ++i) {
    const int code = code_at(codes, bits, i);
    if (code != 0) return refused(fmt::format("code at index {}, past the end", i), code, 0);
  }
  return {};
}

CodeBuckets::CodeBuckets(const CodeFormat& format, BucketNorm norm, std::size_t bucket)
    : format_(format), norm_(norm), bucket_(bucket) {
  INVARIANT(bucket > 0 && bucket % kCodeBlock == 0 && bucket <= UINT32_MAX);
}

std::size_t CodeBuckets::bytes(std::size_t d) const {
  return Buckets(d, bucket_).count() * sizeof(float) + code_bytes(format_.bits, d);
}

CodeDraw CodeBuckets::draw(float scale, std::uint64_t key, std::size_t first) const {
  const int levels = format_.grid == Grid::uniform ? levels_of(format_.bits) : 1;
  return {scale > 0 ? static_cast<float>(levels) / scale : 0.0f, key, first};
}

float CodeBuckets::unit(float scale) const {
  if (format_.grid == Grid::powers) return scale;
  return scale * (1.0f / static_cast<float>(levels_of(format_.bits)));
}

Result<void> CodeBuckets::encode(std::span<const float> x, std::uint64_t key,
                                 std::byte* body) const {
  const Buckets buckets(x.size(), bucket_);
  std::byte* codes = body + buckets.count() * sizeof(float);
  const auto part = [&](std::size_t begin) {
    return x.subspan(begin, std::min(bucket_, x.size() - begin));
  };
  // A bucket ahead: the end of a norm is a chain of operations that wait for one another.
  double next = x.empty() ? 0 : bucket_norm(part(0), norm_);
  for (const Bucket& b : buckets) {
    const double norm = next;
    if (b.begin + b.size < x.size()) next = bucket_norm(part(b.begin + b.size), norm_);
    if (!std::isfinite(norm)) return check_finite(x);
    const float scale = scale_of(norm);
    store(scale, body + b.index * sizeof(float));
    write_codes(part(b.begin), format_, draw(scale, key, b.begin),
                codes + code_bytes(format_.bits, b.begin));
  }
  return {};
}

Result<void> CodeBuckets::encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                    std::byte* body) const {
  INVARIANT(e.size() == g.size());
  const Buckets buckets(e.size(), bucket_);
  std::byte* codes = body + buckets.count() * sizeof(float);
  for (const Bucket& b : buckets) {
    const auto p = e.subspan(b.begin, b.size);
    const double norm = add_and_norm(p, g.subspan(b.begin, b.size), norm_);
    if (!std::isfinite(norm)) return check_finite(e);
    const float scale = scale_of(norm);
    store(scale, body + b.index * sizeof(float));
    write_codes_and_subtract(p, format_, draw(scale, key, b.begin), unit(scale),
                             codes + code_bytes(format_.bits, b.begin));
  }
  return {};
}

Result<void> CodeBuckets::decode_add(std::span<const std::byte> body, float scale,
                                     std::span<float> y) const {
  if (auto same = expect("body bytes", body.size(), bytes(y.size())); !same) return same;
  const Buckets buckets(y.size(), bucket_);
  const std::byte* codes = body.data() + buckets.count() * sizeof(float);
  if (auto checked = check_scales(body.data(), buckets.count()); !checked) return checked;
  if (auto checked = check_code_padding(codes, format_.bits, y.size()); !checked) return checked;
  std::array<float, 64> units;
  for (const Bucket& run : Buckets(y.size(), units.size() * bucket_)) {
    const Buckets in_run(run.size, bucket_);
    for (std::size_t b = 0; b < in_run.count(); ++b) {
      const std::size_t at = run.index * units.size() + b;
      units[b] = scale * unit(load<float>(body.data() + at * sizeof(float)));
    }
    add_codes(codes + code_bytes(format_.bits, run.begin), format_,
              std::span(units).first(in_run.count()), bucket_, y.subspan(run.begin, run.size));
  }
  return {};
}

}  // namespace starling::compress
