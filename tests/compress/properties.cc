#include "properties.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>

#include "guarded.h"
#include "protocol/random.h"
#include "targets.h"
#include "tests/support/effort.h"

namespace starling::test {
namespace {

using compress::Compressor;
using compress::Contract;
using compress::Guarantee;

constexpr std::uint64_t kKey = 0x0123456789abcdef;

// Longer ones are given two contents, at one place in memory.
constexpr std::size_t kShort = effort(100'000, 10'000), kLong = effort(1'000'003, 200'003);

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

// What one run of an operator leaves behind; equal on every instruction set.
struct Outcome {
  std::vector<std::byte> message, ef_message;
  std::vector<float> decoded, added, residual;
  bool operator==(const Outcome& other) const {
    return message == other.message && ef_message == other.ef_message &&
           same_bits(decoded, other.decoded) && same_bits(added, other.added) &&
           same_bits(residual, other.residual);
  }
};

constexpr float kScale = 0.37f;

Outcome run(const MakeOperator& make, std::span<const float> x, std::size_t shift) {
  const std::size_t d = x.size();
  Outcome outcome;
  GuardedFloats in(d, shift);
  std::ranges::copy(x, in.span().begin());

  const auto c = make(d);
  const std::size_t most = c->encoded_bytes_max(d);
  GuardedBytes out(most, shift);
  const auto used = c->encode(in.span(), kKey, out.span());
  REQUIRE(used.ok());
  REQUIRE(*used <= most);
  CHECK(out.untouched());
  const std::span<const std::byte> message = out.span().first(*used);
  outcome.message.assign(message.begin(), message.end());

  GuardedFloats y(d, shift);
  std::ranges::fill(y.span(), 0.0f);
  const auto set = c->decode_add(message, 1, y.span());
  REQUIRE_MESSAGE(set.ok(), (set.ok() ? "" : set.error().message));
  CHECK(y.untouched());
  outcome.decoded.assign(y.span().begin(), y.span().end());

  GuardedFloats z = guarded_normals(d, shift, 5);
  REQUIRE(c->decode_add(message, kScale, z.span()).ok());
  CHECK(z.untouched());
  outcome.added.assign(z.span().begin(), z.span().end());

  const auto feedback = make(d);
  GuardedFloats e(d, shift);
  std::ranges::fill(e.span(), -0.0f);  // −0 + x is x, also for x = −0
  GuardedBytes ef_out(most, shift);
  const auto ef_used = feedback->encode_ef(e.span(), in.span(), kKey, ef_out.span());
  REQUIRE(ef_used.ok());
  CHECK(ef_out.untouched());
  CHECK(e.untouched());
  const auto ef_message = ef_out.span().first(*ef_used);
  outcome.ef_message.assign(ef_message.begin(), ef_message.end());
  outcome.residual.assign(e.span().begin(), e.span().end());
  return outcome;
}

// The least magnitude that a rounding of C(x) is compared with.
double rounding_floor(const Outcome& outcome, const PropertyOptions& options) {
  double most = 0;
  if (!options.cancels) return most;
  for (const float value : outcome.decoded) most = std::max(most, std::fabs(double{value}));
  return most;
}

void check_scaling(const Outcome& outcome, double floor) {
  const std::size_t d = outcome.decoded.size();
  const GuardedFloats start = guarded_normals(d, 0, 5);
  double worst = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const double want = start.span()[i] + double{kScale} * outcome.decoded[i];
    const double terms = std::fabs(start.span()[i]) + std::fabs(kScale * outcome.decoded[i]);
    worst = std::max(worst, std::fabs(outcome.added[i] - want) / std::max({terms, floor, 1e-30}));
  }
  CHECK(worst < 0x1p-21);  // two roundings of each term
}

// e + C(p) = p up to the rounding of one subtraction.
void check_feedback(const Outcome& outcome, std::span<const float> x, double floor) {
  CHECK(outcome.ef_message == outcome.message);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double sum = double{outcome.residual[i]} + outcome.decoded[i];
    const double terms = std::fabs(double{x[i]}) + std::fabs(double{outcome.decoded[i]});
    worst = std::max(worst, std::fabs(sum - x[i]) / std::max({terms, floor, 1e-37}));
  }
  CHECK(worst < 0x1p-21);
}

void check_contraction(const Contract& contract, std::span<const float> x,
                       std::span<const float> y) {
  const double left = distance2(x, y), right = (1 - contract.constant) * norm2(x);
  CHECK(left <= right * (1 + 1e-5) + 1e-80);
}

void check_refuses_non_finite(const MakeOperator& make, std::size_t d, bool flat_index) {
  const auto c = make(d);
  std::vector<std::byte> out(c->encoded_bytes_max(d));
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (const std::size_t at : {std::size_t{0}, d / 2, d - 1}) {
      std::vector<float> x = normals(d, 1), e(d, 0.0f);
      x[at] = bad;
      const auto refused = c->encode(x, kKey, out);
      REQUIRE_FALSE(refused.ok());
      CHECK(refused.error().code == ErrorCode::diverged);
      const std::string index = flat_index ? std::to_string(at) : "";
      CHECK(refused.error().message.find("at index " + index) != std::string::npos);
      CHECK_FALSE(c->encode_ef(e, x, kKey, out).ok());
    }
  }
  // What is kept between calls has not changed.
  const std::vector<float> x = normals(d, 2);
  const auto fresh = make(d);
  CHECK(encoded(*c, x, kKey) == encoded(*fresh, x, kKey));
}

}  // namespace

std::vector<std::size_t> lengths() {
  return {0, 1, 15, 16, 17, 127, 128, 129, 511, 512, 513, 65535, 65536, 65537, kLong};
}

std::vector<float> normals(std::size_t d, std::uint64_t key) {
  std::vector<float> x(d);
  Random(21, Stream::test, {key}).fill_normal(x);
  return x;
}

std::vector<float> heavy(std::size_t d, std::uint64_t key) {
  std::vector<float> x = normals(d, key);
  const std::vector<float> s = normals(d, key + 0x10000);
  for (std::size_t i = 0; i < d; ++i) x[i] *= std::exp(0.5f * s[i]);
  return x;
}

std::vector<Vector> vectors(std::size_t d) {
  if (d == 0) return {{"empty", {}}};
  std::vector<Vector> all = {{"normal", normals(d, 1)}, {"heavy", heavy(d, 2)}};
  if (d > kShort) return all;
  const auto filled = [d](auto&& value) {
    std::vector<float> x(d);
    for (std::size_t i = 0; i < d; ++i) x[i] = value(i);
    return x;
  };
  all.push_back({"zeros", filled([](std::size_t) { return 0.0f; })});
  all.push_back({"minus zeros", filled([](std::size_t) { return -0.0f; })});
  all.push_back({"denormals", filled([](std::size_t i) {
                   return std::numeric_limits<float>::denorm_min() * static_cast<float>(i % 7);
                 })});
  all.push_back({"huge", filled([](std::size_t i) {
                   return i % 3 == 0 ? -std::numeric_limits<float>::max()
                                     : std::numeric_limits<float>::max();
                 })});
  all.push_back({"one hot", filled([d](std::size_t i) { return i == d / 2 ? -3.5f : 0.0f; })});
  all.push_back({"all equal", filled([](std::size_t) { return 0.75f; })});
  all.push_back({"alternating", filled([](std::size_t i) { return i % 2 ? -1.25f : 1.25f; })});
  std::vector<float> sorted = normals(d, 3);
  std::ranges::sort(sorted);
  all.push_back({"sorted", sorted});
  std::ranges::reverse(sorted);
  all.push_back({"reversed", sorted});
  return all;
}

double norm2(std::span<const float> x) {
  double sum = 0;
  for (const float value : x) sum += double{value} * value;
  return sum;
}

double distance2(std::span<const float> x, std::span<const float> y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(double{x[i]} - y[i], 2);
  return sum;
}

std::vector<std::byte> encoded(Compressor& c, std::span<const float> x, std::uint64_t key) {
  std::vector<std::byte> out(c.encoded_bytes_max(x.size()));
  const auto used = c.encode(x, key, out);
  REQUIRE(used.ok());
  out.resize(*used);
  return out;
}

std::vector<float> decoded(const Compressor& c, std::span<const std::byte> message, std::size_t d) {
  std::vector<float> y(d, 0.0f);
  const auto added = c.decode_add(message, 1, y);
  REQUIRE_MESSAGE(added.ok(), (added.ok() ? "" : added.error().message));
  return y;
}

void check_operator(const MakeOperator& make, const PropertyOptions& options) {
  for (const std::size_t d : options.lengths) {
    CAPTURE(d);
    const Contract contract = make(d)->contract(d);
    for (const Vector& v : vectors(d)) {
      if (std::ranges::find(options.leave_out, v.content) != options.leave_out.end()) continue;
      CAPTURE(v.content);
      std::optional<Outcome> first;
      for_each_target([&] {
        for (const std::size_t shift : {0, 1, 3}) {
          const Outcome outcome = run(make, v.x, shift);
          if (!first) first = outcome;
          CHECK(outcome == *first);
          if (d > kShort) break;
        }
      });
      // Sums of squares of the largest floats have no float left to compare.
      if (v.content == "huge") continue;
      const double floor = rounding_floor(*first, options);
      check_scaling(*first, floor);
      check_feedback(*first, v.x, floor);
      if (options.always_contracts) check_contraction(contract, v.x, first->decoded);
    }
    if (d > 0 && d < 100'000) check_refuses_non_finite(make, d, options.flat_index);
  }
}

void check_hostile(const MakeOperator& make, std::size_t d) {
  const auto c = make(d);
  const std::vector<std::byte> good = encoded(*c, heavy(d, 9), kKey);
  const std::vector<float> before = normals(d, 4);
  std::size_t refusals = 0;
  const auto give = [&](std::span<const std::byte> message) {
    // A block of its own, so that the sanitizer sees a read of one byte too many.
    const std::vector<std::byte> copy(message.begin(), message.end());
    std::vector<float> y = before;
    const auto result = c->decode_add(copy, 1, y);
    if (result.ok()) return true;
    ++refusals;
    CHECK(result.error().code == ErrorCode::peer);
    CHECK_FALSE(result.error().message.empty());
    CHECK(same_bits(y, before));
    return false;
  };
  REQUIRE(give(good));
  for (std::size_t size = 0; size < good.size(); size += 1 + size / 64) {
    CAPTURE(size);
    CHECK_FALSE(give(std::span(good).first(size)));
  }
  CHECK_FALSE(give(std::span(good).first(good.size() - 1)));
  std::vector<std::byte> longer = good;
  longer.push_back(std::byte{0});
  CHECK_FALSE(give(longer));
  const std::size_t shown = std::min<std::size_t>(good.size(), 64) * 8;
  for (std::size_t bit = 0; bit < good.size() * 8; bit += bit < shown ? 1 : 1 + good.size() / 64) {
    std::vector<std::byte> flipped = good;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    CAPTURE(bit);
    const bool taken = give(flipped);
    if (bit < 8 || (bit >= 64 && bit < 128)) CHECK_FALSE(taken);  // op, d
  }
  const Random random(22, Stream::test);
  for (std::uint64_t round = 0; round < 200; ++round) {
    std::vector<std::byte> noisy = good;
    for (std::uint64_t k = 0; k < 1 + round % 5; ++k) {
      noisy[random.below(round * 16 + k, noisy.size())] =
          static_cast<std::byte>(random.bits(round * 16 + 8 + k));
    }
    give(noisy);
  }
  CHECK(refusals > 0);
}

}  // namespace starling::test
