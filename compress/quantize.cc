#include "compress/quantize.h"

#include <algorithm>
#include <cmath>

#include "compress/header.h"

namespace starling::compress {
namespace {

constexpr std::uint8_t kL2Flag = 1, kNearestFlag = 2;
constexpr double kRoundings = 0x1p-20;  // of float, in an error relative to ‖x‖²

Header header_of(const CodeBuckets& codes, std::size_t d) {
  unsigned flags = codes.norm() == BucketNorm::l2 ? kL2Flag : 0;
  if (codes.format().rounding == Rounding::nearest) flags |= kNearestFlag;
  return {.op = Op::quantize,
          .flags = static_cast<std::uint8_t>(flags),
          .param = static_cast<std::uint16_t>(codes.format().bits),
          .d = d,
          .bucket = static_cast<std::uint32_t>(codes.bucket())};
}

Contract contract_of_nearest(BucketNorm norm, double b, double s) {
  const double delta =
      norm == BucketNorm::max ? 4 * s * s / (4 * s * s + b - 1) : 1 - b / (4 * s * s);
  if (delta <= kRoundings) return {Guarantee::bounded, 1 + kRoundings};
  return {Guarantee::contractive, delta - kRoundings};
}

}  // namespace

Quantize::Quantize(const QuantizeParams& params)
    : codes_({params.bits, Grid::uniform, params.rounding}, params.norm, params.bucket) {
  INVARIANT(params.bits == 2 || params.bits == 4 || params.bits == 8);
}

Contract Quantize::contract(std::size_t d) const {
  const auto b = static_cast<double>(std::clamp<std::size_t>(d, 1, codes_.bucket()));
  const double s = levels_of(codes_.format().bits);
  const BucketNorm norm = codes_.norm();
  if (codes_.format().rounding == Rounding::nearest) return contract_of_nearest(norm, b, s);
  const double share = norm == BucketNorm::max ? 0.25 : 1;
  return {Guarantee::unbiased, std::min(share * b / (s * s), std::sqrt(b) / s)};
}

std::size_t Quantize::encoded_bytes_max(std::size_t d) const {
  return kHeaderBytes + codes_.bytes(d);
}

Result<std::size_t> Quantize::encode(std::span<const float> x, std::uint64_t key,
                                     std::span<std::byte> out) {
  std::byte* body = write_header(header_of(codes_, x.size()), out).data();
  if (auto done = codes_.encode(x, key, body); !done) return done.error();
  return encoded_bytes_max(x.size());
}

Result<std::size_t> Quantize::encode_ef(std::span<float> e, std::span<const float> g,
                                        std::uint64_t key, std::span<std::byte> out) {
  std::byte* body = write_header(header_of(codes_, e.size()), out).data();
  if (auto done = codes_.encode_ef(e, g, key, body); !done) return done.error();
  return encoded_bytes_max(e.size());
}

Result<void> Quantize::decode_add(std::span<const std::byte> bytes, float scale,
                                  std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::quantize, y.size());
  if (!header) return header.error();
  if (auto same = expect_fields(*header, header_of(codes_, y.size())); !same) return same;
  return codes_.decode_add(bytes.subspan(kHeaderBytes), scale, y);
}

}  // namespace starling::compress
