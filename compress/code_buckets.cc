#include "compress/code_buckets.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "compress/buckets.h"
#include "compress/finite.h"
#include "compress/header.h"

namespace starling::compress {
namespace {

// Floats of a bucket of which three lie in the first cache.
constexpr std::size_t kCached = 2048;

}  // namespace

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
  return {inverse_of(scale, format_), key, first};
}

float CodeBuckets::unit(float scale) const {
  if (format_.grid == Grid::powers) return scale;
  return scale * (1.0f / static_cast<float>(levels_of(format_.bits)));
}

Result<void> CodeBuckets::encode(std::span<const float> x, std::uint64_t key,
                                 std::byte* body) const {
  const Buckets buckets(x.size(), bucket_);
  std::byte* codes = body + buckets.count() * sizeof(float);
  const bool sweep = norm_ == BucketNorm::max && bucket_ <= kCached;
  const std::size_t swept = sweep ? x.size() / bucket_ * bucket_ : 0;
  if (!write_buckets(x.first(swept), bucket_, format_, key, body, codes)) return check_finite(x);
  for (const Bucket& b : buckets) {
    if (b.begin < swept) continue;
    const auto part = x.subspan(b.begin, b.size);
    const double norm = bucket_norm(part, norm_);
    if (!std::isfinite(norm)) return check_finite(x);
    const float scale = scale_of(norm);
    store(scale, body + b.index * sizeof(float));
    write_codes(part, format_, draw(scale, key, b.begin),
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
