#include "compress/induced.h"

#include <limits>
#include <utility>
#include <vector>

#include "compress/counter_random.h"
#include "compress/finite.h"
#include "compress/header.h"

namespace starling::compress {
namespace {

Error in_part(const char* part, const Error& error) {
  return {error.code, fmt::format("{} part: {}", part, error.message)};
}

}  // namespace

Induced::Induced(std::unique_ptr<Compressor> first, std::unique_ptr<Compressor> second)
    : first_(std::move(first)), second_(std::move(second)) {
  INVARIANT(first_->contract(1).guarantee == Guarantee::contractive);
  INVARIANT(second_->contract(1).guarantee == Guarantee::unbiased);
}

Contract Induced::contract(std::size_t d) const {
  return {Guarantee::unbiased, second_->contract(d).constant * (1 - first_->contract(d).constant)};
}

std::size_t Induced::encoded_bytes_max(std::size_t d) const {
  return kHeaderBytes + kPartLengthBytes + first_->encoded_bytes_max(d) +
         second_->encoded_bytes_max(d);
}

Result<std::size_t> Induced::encode(std::span<const float> x, std::uint64_t key,
                                    std::span<std::byte> out) {
  const std::size_t d = x.size();
  const auto body = write_header({.op = Op::induced, .d = d}, out);
  auto parts = body.subspan(kPartLengthBytes);
  std::vector<float> residual(d, -0.0f);  // −0 + x is x, also for x = −0
  const auto first =
      first_->encode_ef(residual, x, subkey(key, 0), parts.first(first_->encoded_bytes_max(d)));
  if (!first) return first;
  INVARIANT(*first <= std::numeric_limits<std::uint32_t>::max());
  store(static_cast<PartLength>(*first), body.data());
  saturate(residual);
  parts = parts.subspan(*first).first(second_->encoded_bytes_max(d));
  const auto second = second_->encode(residual, subkey(key, 1), parts);
  if (!second) return second;
  return kHeaderBytes + kPartLengthBytes + *first + *second;
}

Result<void> Induced::decode_add(std::span<const std::byte> bytes, float scale,
                                 std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::induced, y.size());
  if (!header) return header.error();
  if (auto same = expect_fields(*header, {}); !same) return same;
  PartReader parts(bytes.subspan(kHeaderBytes));
  const auto first = parts.next("part", 0);
  if (!first) return first.error();
  // Its own vector: y stays as it is where the second part is refused.
  std::vector<float> x(y.size(), 0.0f);
  if (auto added = first_->decode_add(*first, 1, x); !added) {
    return in_part("first", added.error());
  }
  if (auto added = second_->decode_add(parts.rest(), 1, x); !added) {
    return in_part("second", added.error());
  }
  saturate(x);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += scale * x[i];
  return {};
}

void Induced::archive(Archive& archive) {
  for (std::size_t part = 0; part < 2; ++part) {
    const Archive::Scope scope(archive, "part", part);
    (part == 0 ? first_ : second_)->archive(archive);
  }
}

}  // namespace starling::compress
