#include "compress/repeated.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "compress/counter_random.h"
#include "compress/finite.h"
#include "compress/header.h"

namespace starling::compress {
Repeated::Repeated(std::unique_ptr<Compressor> of, std::size_t times)
    : of_(std::move(of)), times_(times) {
  INVARIANT(times >= 1 && of_->contract(1).guarantee != Guarantee::bounded);
}

Contract Repeated::contract(std::size_t d) const {
  const Contract one = of_->contract(d);
  const double left =
      one.guarantee == Guarantee::contractive ? 1 - one.constant : std::min(1.0, one.constant);
  return {Guarantee::contractive, 1 - std::pow(left, static_cast<double>(times_))};
}

std::size_t Repeated::encoded_bytes_max(std::size_t d) const {
  return kHeaderBytes + times_ * (kPartLengthBytes + of_->encoded_bytes_max(d));
}

Result<std::size_t> Repeated::encode(std::span<const float> x, std::uint64_t key,
                                     std::span<std::byte> out) {
  std::vector<float> rest(x.begin(), x.end());
  write_header({.op = Op::repeated, .d = x.size(), .count = static_cast<std::uint32_t>(times_)},
               out);
  std::size_t written = kHeaderBytes;
  for (std::size_t r = 0; r < times_; ++r) {
    std::byte* const length = out.data() + written;
    const auto to = out.subspan(written + kPartLengthBytes).first(of_->encoded_bytes_max(x.size()));
    const Result<std::size_t> used = of_->encode(rest, subkey(key, r), to);
    if (!used) return used;
    INVARIANT(*used <= std::numeric_limits<PartLength>::max());
    store(static_cast<PartLength>(*used), length);
    written += kPartLengthBytes + *used;
    INVARIANT(of_->decode_add(to.first(*used), -1, rest).ok());
    saturate(rest);
  }
  return written;
}

Result<void> Repeated::decode_add(std::span<const std::byte> bytes, float scale,
                                  std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::repeated, y.size());
  if (!header) return header.error();
  const Header expected{.count = static_cast<std::uint32_t>(times_)};
  if (auto same = expect_fields(*header, expected); !same) return same;
  std::vector<float> x(y.size(), 0.0f);  // y stays as it is where a later message is refused
  PartReader parts(bytes.subspan(kHeaderBytes));
  for (std::size_t r = 0; r < times_; ++r) {
    const auto part = parts.next("message", r);
    if (!part) return part.error();
    if (auto added = of_->decode_add(*part, 1, x); !added) {
      return Error{added.error().code, fmt::format("message {}: {}", r, added.error().message)};
    }
  }
  if (auto end = parts.end(); !end) return end;
  saturate(x);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += scale * x[i];
  return {};
}

}  // namespace starling::compress
