#include "compress/natural_dithering.h"

#include <algorithm>
#include <cmath>

#include "compress/header.h"

namespace starling::compress {
namespace {

constexpr std::uint8_t kL2Flag = 1;

Header header_of(const CodeBuckets& codes, std::size_t d) {
  return {.op = Op::natural_dithering,
          .flags = codes.norm() == BucketNorm::l2 ? kL2Flag : std::uint8_t{0},
          .param = NaturalDithering::kLevels,
          .d = d,
          .bucket = static_cast<std::uint32_t>(codes.bucket())};
}

}  // namespace

NaturalDithering::NaturalDithering(BucketNorm norm, std::size_t bucket)
    : codes_({4, Grid::powers, Rounding::stochastic}, norm, bucket) {}

Contract NaturalDithering::contract(std::size_t d) const {
  const auto b = static_cast<double>(std::clamp<std::size_t>(d, 1, codes_.bucket()));
  const double small = std::sqrt(b) * std::ldexp(1.0, 1 - kLevels);
  return {Guarantee::unbiased, 0.125 + small * std::min(1.0, small)};
}

std::size_t NaturalDithering::encoded_bytes_max(std::size_t d) const {
  return kHeaderBytes + codes_.bytes(d);
}

Result<std::size_t> NaturalDithering::encode(std::span<const float> x, std::uint64_t key,
                                             std::span<std::byte> out) {
  std::byte* body = write_header(header_of(codes_, x.size()), out).data();
  if (auto done = codes_.encode(x, key, body); !done) return done.error();
  return encoded_bytes_max(x.size());
}

Result<std::size_t> NaturalDithering::encode_ef(std::span<float> e, std::span<const float> g,
                                                std::uint64_t key, std::span<std::byte> out) {
  std::byte* body = write_header(header_of(codes_, e.size()), out).data();
  if (auto done = codes_.encode_ef(e, g, key, body); !done) return done.error();
  return encoded_bytes_max(e.size());
}

Result<void> NaturalDithering::decode_add(std::span<const std::byte> bytes, float scale,
                                          std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::natural_dithering, y.size());
  if (!header) return header.error();
  if (auto same = expect_fields(*header, header_of(codes_, y.size())); !same) return same;
  return codes_.decode_add(bytes.subspan(kHeaderBytes), scale, y);
}

}  // namespace starling::compress
