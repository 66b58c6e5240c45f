#include "compress/ternary.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "compress/buckets.h"
#include "compress/code_buckets.h"
#include "compress/finite.h"
#include "compress/header.h"

namespace starling::compress {
namespace {

constexpr std::uint8_t kClipFlag = 1;
constexpr CodeFormat kFormat{8, Grid::ternary};
constexpr std::size_t kTrits = 5;       // a byte
constexpr unsigned kByteEnd = 243;      // 3^5
constexpr std::size_t kPiece = 640;     // whole bytes of trits and whole blocks of codes
constexpr std::size_t kSpareCodes = 3;  // behind the last five, where 8 are loaded or stored

using Codes = std::array<std::byte, kPiece + kSpareCodes>;

constexpr std::size_t trit_bytes(std::size_t count) { return (count + kTrits - 1) / kTrits; }

Header header_of(const TernaryParams& params, std::size_t d) {
  return {.op = Op::ternary,
          .flags = params.clip > 0 ? kClipFlag : std::uint8_t{0},
          .d = d,
          .bucket = static_cast<std::uint32_t>(params.bucket)};
}

// The five codes of each byte, the first lowest.
constexpr auto kCodesOfByte = [] {
  std::array<std::uint64_t, kByteEnd> table{};
  for (unsigned byte = 0; byte < kByteEnd; ++byte) {
    unsigned rest = byte;
    for (std::size_t k = 0; k < kTrits; ++k, rest /= 3) {
      const std::uint64_t code = rest % 3 == 2 ? 0xff : rest % 3;
      table[byte] |= code << (8 * k);
    }
  }
  return table;
}();

// The codes behind the last of `count`, up to a whole byte, are 0.
void pack(const Codes& codes, std::size_t count, std::byte* trits) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  // The fifth byte of a product with it is Σ 3^k t_k; those below it do not overflow.
  constexpr std::uint64_t kPowers = 81 | 27 << 8 | 9 << 16 | 3 << 24 | std::uint64_t{1} << 32;
  for (std::size_t i = 0; i < trit_bytes(count); ++i) {
    const auto five = load<std::uint64_t>(codes.data() + kTrits * i);
    const std::uint64_t digits = (five & kOnes) + (five >> 7 & kOnes);  // 2 for -1
    trits[i] = static_cast<std::byte>(digits * kPowers >> 32);
  }
}

void unpack(const std::byte* trits, std::size_t count, Codes& codes) {
  for (std::size_t i = 0; i < trit_bytes(count); ++i) {
    store(kCodesOfByte[std::to_integer<unsigned>(trits[i])], codes.data() + kTrits * i);
  }
}

Result<void> check_trits(const std::byte* trits, std::size_t count) {
  std::byte most{0};
  for (std::size_t i = 0; i < trit_bytes(count); ++i) most = std::max(most, trits[i]);
  if (std::to_integer<unsigned>(most) >= kByteEnd) {
    const std::byte* bad = std::max_element(trits, trits + trit_bytes(count));
    return refused(fmt::format("byte {} of the trits", bad - trits),
                   std::to_integer<unsigned>(most), fmt::format("below {}", kByteEnd));
  }
  unsigned end = 1;
  for (std::size_t i = 0; i < count % kTrits; ++i) end *= 3;
  if (end == 1) return {};
  const auto last = std::to_integer<unsigned>(trits[count / kTrits]);
  if (last < end) return {};
  return refused("last byte of the trits", last, fmt::format("below {}", end));
}

}  // namespace

Ternary::Ternary(const TernaryParams& params) : params_(params) {
  INVARIANT(params.bucket > 0 && params.bucket % kPiece == 0 && params.bucket <= UINT32_MAX);
  INVARIANT(params.clip == 0 || (params.clip >= 1 && std::isfinite(params.clip)));
}

Contract Ternary::contract(std::size_t d) const {
  const auto b = static_cast<double>(std::clamp<std::size_t>(d, 1, params_.bucket));
  const double omega = (std::sqrt(b) - 1) / 2;
  if (params_.clip == 0) return {Guarantee::unbiased, omega};
  return {Guarantee::bounded, std::max(1.0, omega)};
}

std::size_t Ternary::encoded_bytes_max(std::size_t d) const {
  return kHeaderBytes + Buckets(d, params_.bucket).count() * sizeof(float) + trit_bytes(d);
}

float Ternary::scale_of_bucket(std::span<const float> x, double largest) const {
  if (params_.clip == 0) return scale_of(largest);
  const double mean = bucket_norm(x, BucketNorm::l2) / std::sqrt(static_cast<double>(x.size()));
  return scale_of(std::min(largest, static_cast<double>(params_.clip) * mean));
}

Result<std::size_t> Ternary::encode(std::span<const float> x, std::uint64_t key,
                                    std::span<std::byte> out) {
  const Buckets buckets(x.size(), params_.bucket);
  std::byte* scales = write_header(header_of(params_, x.size()), out).data();
  std::byte* trits = scales + buckets.count() * sizeof(float);
  Codes codes;
  for (const Bucket& b : buckets) {
    const auto part = x.subspan(b.begin, b.size);
    const double largest = bucket_norm(part, BucketNorm::max);
    if (!std::isfinite(largest)) return check_finite(x).error();
    const float scale = scale_of_bucket(part, largest);
    store(scale, scales + b.index * sizeof(float));
    for (const Bucket& p : Buckets(b.size, kPiece)) {
      codes.fill(std::byte{0});
      const std::size_t at = b.begin + p.begin;
      write_codes(x.subspan(at, p.size), kFormat, {inverse_of(scale, kFormat), key, at},
                  codes.data());
      pack(codes, p.size, trits + at / kTrits);
    }
  }
  return encoded_bytes_max(x.size());
}

Result<std::size_t> Ternary::encode_ef(std::span<float> e, std::span<const float> g,
                                       std::uint64_t key, std::span<std::byte> out) {
  INVARIANT(e.size() == g.size());
  const Buckets buckets(e.size(), params_.bucket);
  std::byte* scales = write_header(header_of(params_, e.size()), out).data();
  std::byte* trits = scales + buckets.count() * sizeof(float);
  Codes codes;
  for (const Bucket& b : buckets) {
    const auto part = e.subspan(b.begin, b.size);
    const double largest = add_and_norm(part, g.subspan(b.begin, b.size), BucketNorm::max);
    if (!std::isfinite(largest)) return check_finite(e).error();
    const float scale = scale_of_bucket(part, largest);
    store(scale, scales + b.index * sizeof(float));
    for (const Bucket& p : Buckets(b.size, kPiece)) {
      codes.fill(std::byte{0});
      const std::size_t at = b.begin + p.begin;
      write_codes_and_subtract(e.subspan(at, p.size), kFormat,
                               {inverse_of(scale, kFormat), key, at}, scale, codes.data());
      pack(codes, p.size, trits + at / kTrits);
    }
  }
  return encoded_bytes_max(e.size());
}

Result<void> Ternary::decode_add(std::span<const std::byte> bytes, float scale,
                                 std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::ternary, y.size());
  if (!header) return header.error();
  if (auto same = expect_fields(*header, header_of(params_, y.size())); !same) return same;
  if (auto same = expect("message bytes", bytes.size(), encoded_bytes_max(y.size())); !same) {
    return same;
  }
  const Buckets buckets(y.size(), params_.bucket);
  const std::byte* scales = bytes.data() + kHeaderBytes;
  if (auto checked = check_scales(scales, buckets.count()); !checked) return checked;
  const std::byte* trits = scales + buckets.count() * sizeof(float);
  if (auto checked = check_trits(trits, y.size()); !checked) return checked;
  Codes codes;
  for (const Bucket& p : Buckets(y.size(), kPiece)) {
    const std::size_t bucket = p.begin / params_.bucket;
    unpack(trits + p.begin / kTrits, p.size, codes);
    const float unit = scale * load<float>(scales + bucket * sizeof(float));
    add_codes(codes.data(), kFormat, {&unit, 1}, p.size, y.subspan(p.begin, p.size));
  }
  return {};
}

}  // namespace starling::compress
