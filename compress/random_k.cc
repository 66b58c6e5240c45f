#include "compress/random_k.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "compress/counter_random.h"
#include "compress/finite.h"
#include "compress/header.h"
#include "compress/sparse.h"

namespace starling::compress {
namespace {

// Calls visit(j, begin, length) for every stratum.
template <class Visit>
void for_each_stratum(const Strata& strata, Visit&& visit) {
  const std::size_t shortest = strata.shortest(), extra = strata.d % strata.k;
  std::size_t begin = 0, carry = 0;
  for (std::size_t j = 0; j < strata.k; ++j) {
    carry += extra;
    const bool longer = carry >= strata.k;
    if (longer) carry -= strata.k;
    const std::size_t length = shortest + (longer ? 1 : 0);
    visit(j, begin, length);
    begin += length;
  }
}

// Below `length`, each equally likely to 2^-32. Two draws: with one of 32 bits a coordinate of a
// stratum of a million would be up to 2^-12 more likely than another.
std::uint32_t draw_below(std::size_t length, std::uint64_t key, std::size_t j) {
  const auto counter = static_cast<std::uint32_t>(2 * j);
  const std::uint64_t high = random_bits(key, counter) * std::uint64_t{length};
  const std::uint64_t low = random_bits(key, counter + 1) * std::uint64_t{length};
  return static_cast<std::uint32_t>((high + (low >> 32)) >> 32);
}

float scaled(float value, std::size_t length) {
  constexpr float kMost = std::numeric_limits<float>::max();
  return std::clamp(value * static_cast<float>(length), -kMost, kMost);
}

Header header_of(RandomK::Form form, ValueFormat format, const Strata& strata) {
  const unsigned unbiased = form == RandomK::Form::unbiased ? 1 : 0;
  return {.op = Op::random_k,
          .flags = static_cast<std::uint8_t>(unbiased | static_cast<unsigned>(format) << 3),
          .d = strata.d,
          .count = static_cast<std::uint32_t>(strata.k)};
}

}  // namespace

void draw(const Strata& strata, std::uint64_t key, std::span<std::uint32_t> indices) {
  for_each_stratum(strata, [&](std::size_t j, std::size_t begin, std::size_t length) {
    indices[j] = static_cast<std::uint32_t>(begin) + draw_below(length, key, j);
  });
}

RandomK::RandomK(double ratio, Form form, ValueCoder values)
    : ratio_(ratio), form_(form), values_(std::move(values)) {
  INVARIANT(ratio > 0 && ratio <= 1);
}

Contract RandomK::contractive(std::size_t k, std::size_t d) const {
  const Strata strata{d, k};
  const auto [relative, absolute, exact] = values_.loss(k);
  if (relative >= 1) {
    const double least = static_cast<double>(strata.shortest());
    return {Guarantee::bounded, 1 + (relative - 1) / least, absolute};
  }
  const double delta = (1 - relative) / static_cast<double>(strata.longest());
  if (absolute > 0) return {Guarantee::bounded, 1 - delta, absolute};
  return {Guarantee::contractive, delta};
}

Contract RandomK::unbiased(std::size_t k, std::size_t d) const {
  const auto [relative, absolute, exact] = values_.loss(k);
  const auto length = static_cast<double>(Strata{d, k}.longest());
  if (exact) return {Guarantee::unbiased, length * (1 + relative) - 1};
  const double beta = std::sqrt(length - 1) + std::sqrt(relative * length);
  // (a + b)² <= 2a² + 2b² where the second part has one that does not depend on x.
  if (absolute > 0) return {Guarantee::bounded, 2 * beta * beta, 2 * absolute};
  return {Guarantee::bounded, beta * beta};
}

Contract RandomK::contract(std::size_t d) const {
  const std::size_t k = entries_of(ratio_, d);
  if (form_ == Form::contractive)
    return d == 0 ? Contract{Guarantee::contractive, 1} : contractive(k, d);
  return d == 0 ? Contract{Guarantee::unbiased, 0} : unbiased(k, d);
}

std::size_t RandomK::encoded_bytes_max(std::size_t d) const {
  return kHeaderBytes + values_.bytes_max(entries_of(ratio_, d));
}

// x is finite.
Result<std::size_t> RandomK::send(std::span<const float> x, std::uint64_t key,
                                  std::span<std::byte> out) {
  const Strata strata{x.size(), entries_of(ratio_, x.size())};
  drawn_.resize(strata.k);
  sent_.resize(strata.k);
  if (strata.k > 0) draw(strata, key, drawn_);
  for (std::size_t j = 0; j < strata.k; ++j) sent_[j] = x[drawn_[j]];
  if (form_ == Form::unbiased && strata.k > 0) {
    for_each_stratum(strata, [&](std::size_t j, std::size_t /*begin*/, std::size_t length) {
      sent_[j] = scaled(sent_[j], length);
    });
  }
  if (const auto j = values_.first_unfit(sent_)) return ValueCoder::unfit(sent_[*j], drawn_[*j]);
  Header header = header_of(form_, values_.format(), strata);
  header.seed = key;
  const auto used = values_.encode(sent_, key, write_header(header, out));
  if (!used) return used.error();
  return kHeaderBytes + *used;
}

Result<std::size_t> RandomK::encode(std::span<const float> x, std::uint64_t key,
                                    std::span<std::byte> out) {
  if (const auto finite = check_finite(x); !finite) return finite.error();
  return send(x, key, out);
}

Result<std::size_t> RandomK::encode_ef(std::span<float> e, std::span<const float> g,
                                       std::uint64_t key, std::span<std::byte> out) {
  if (const auto finite = add_finite(e, g); !finite) return finite.error();
  const auto used = send(e, key, out);
  if (!used) return used;
  const auto values = values_.decode(out.first(*used).subspan(kHeaderBytes), sent_);
  if (!values) return values.error();
  scatter_add(drawn_, sent_, -1, e);
  return used;
}

Result<void> RandomK::decode_add(std::span<const std::byte> bytes, float scale,
                                 std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::random_k, y.size());
  if (!header) return header.error();
  const Strata strata{y.size(), entries_of(ratio_, y.size())};
  Header expected = header_of(form_, values_.format(), strata);
  expected.seed = header->seed;
  if (auto same = expect_fields(*header, expected); !same) return same;
  drawn_.resize(strata.k);
  sent_.resize(strata.k);
  if (auto values = values_.decode(bytes.subspan(kHeaderBytes), sent_); !values) return values;
  if (strata.k > 0) draw(strata, header->seed, drawn_);
  scatter_add(drawn_, sent_, scale, y);
  return {};
}

}  // namespace starling::compress
