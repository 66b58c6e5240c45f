#include "compress/cast.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "guarded.h"
#include "properties.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

const std::vector<std::size_t> kLengths = {0, 1, 15, 16, 17, 127, 128, 129, 513, 65537};

MakeOperator cast(Half format) {
  return [=](std::size_t) { return std::make_unique<Cast>(format); };
}

float float_of(std::uint32_t bits) { return std::bit_cast<float>(bits); }

// Every exponent within the format and the fractions around the points where roundings change.
std::vector<float> edges(Half format) {
  std::vector<float> all;
  for (std::uint32_t exponent = 0; exponent < 256; ++exponent) {
    for (const std::uint32_t cut : {0x400000U, 0x10000U, 0x8000U, 0x2000U, 0x1000U, 1U}) {
      for (const std::uint32_t times : {0U, 1U, 2U, 3U}) {
        for (const std::uint32_t add : {0U, 1U, 0x7fffffU}) {
          const std::uint32_t fraction = (cut * times + add) & 0x7fffff;
          all.push_back(float_of(exponent << 23 | fraction));
          all.push_back(float_of(1U << 31 | exponent << 23 | fraction));
        }
      }
    }
  }
  std::erase_if(all, [=](float value) {
    return (std::bit_cast<std::uint32_t>(value) & 0x7fffffff) >= first_outside(format);
  });
  return all;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::ranges::equal(a, b, {}, std::bit_cast<std::uint32_t, float>,
                            std::bit_cast<std::uint32_t, float>);
}

void check_kernels(std::span<const float> values, std::size_t shift, Half format) {
  const std::size_t size = values.size();
  CAPTURE(size);
  CAPTURE(shift);
  GuardedFloats x(size, shift), e = guarded_normals(size, shift, 2), e_ref = e, y = e, y_ref = e;
  std::ranges::copy(values, x.span().begin());
  GuardedBytes halves(2 * size, shift), halves_ref = halves;
  std::byte *to = halves.span().data(), *to_ref = halves_ref.span().data();
  CHECK(round_to_halves(x.span(), format, to) == ref::round_to_halves(x.span(), format, to_ref));
  CHECK(halves == halves_ref);
  CHECK(all_finite(to, size, format));
  CHECK(ref::all_finite(to, size, format));
  add_halves(to, format, 0.3f, y.span());
  ref::add_halves(to, format, 0.3f, y_ref.span());
  CHECK(same_bits(y.span(), y_ref.span()));
  CHECK(y.untouched());
  CHECK(add_and_round(e.span(), x.span(), to) ==
        ref::add_and_round(e_ref.span(), x.span(), to_ref));
  CHECK(halves == halves_ref);
  CHECK(same_bits(e.span(), e_ref.span()));
  CHECK(e.untouched());
}

}  // namespace

TEST_CASE("cast kernels: every instruction set computes the bits of the plain loops") {
  for_each_target([&] {
    for (const Half format : {Half::bfloat16, Half::float16}) {
      check_kernels(edges(format), 0, format);
      for (const std::size_t size : {0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 100, 1000}) {
        for (const std::size_t shift : {0, 1, 3}) check_kernels(normals(size, 1), shift, format);
      }
    }
  });
}

TEST_CASE("cast kernels: bfloat16 past the caches are the same, also beside an unaligned begin") {
  const std::vector<float> values = edges(Half::bfloat16);
  std::vector<float> x(kStreamedFrom + 77);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = values[i % values.size()];
  for (const bool huge : {true, false}) {  // huge: some round up to infinity
    if (!huge)
      std::ranges::replace_if(
          x, [](float v) { return std::fabs(v) > 0x1p127f; }, 1.0f);
    GuardedBytes halves_ref(2 * x.size(), 0);
    CHECK(ref::round_to_halves(x, Half::bfloat16, halves_ref.span().data()));
    for_each_target([&] {
      for (const std::size_t shift : {0, 3, 26}) {
        CAPTURE(shift);
        GuardedBytes halves(2 * x.size(), shift);
        CHECK(round_to_halves(x, Half::bfloat16, halves.span().data()));
        CHECK(std::ranges::equal(halves.span(), halves_ref.span()));
        CHECK(halves.untouched());
      }
    });
  }
  for (const std::size_t at : {std::size_t{0}, kStreamedFrom / 2, x.size() - 1}) {
    const float before = std::exchange(x[at], std::nanf(""));
    GuardedBytes halves(2 * x.size(), 26);
    CHECK_FALSE(round_to_halves(x, Half::bfloat16, halves.span().data()));
    x[at] = before;
  }
}

TEST_CASE("cast kernels: one value outside is seen wherever it is") {
  for_each_target([] {
    for (std::size_t at = 0; at < 35; ++at) {
      std::vector<float> x(35, 1.0f);
      std::vector<std::byte> halves(70);
      x[at] = std::nanf("");
      CHECK_FALSE(round_to_halves(x, Half::bfloat16, halves.data()));
      x[at] = -65520.0f;
      CHECK(round_to_halves(x, Half::bfloat16, halves.data()));
      CHECK(all_finite(halves.data(), 35, Half::bfloat16));
      CHECK_FALSE(round_to_halves(x, Half::float16, halves.data()));
      CHECK_FALSE(all_finite(halves.data(), 35, Half::float16));
    }
  });
}

TEST_CASE("cast: the properties of every operator") {
  check_operator(cast(Half::bfloat16), {.lengths = kLengths, .always_contracts = true});
  // float16 has no such values.
  check_operator(cast(Half::float16), {.lengths = kLengths, .leave_out = {"huge"}});
}

TEST_CASE("cast: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 33, 300}) {
    check_hostile(cast(Half::bfloat16), d);
    check_hostile(cast(Half::float16), d);
  }
}

TEST_CASE("cast: two bytes a coordinate") {
  Cast c(Half::float16);
  CHECK(c.encoded_bytes_max(0) == 32);
  CHECK(c.encoded_bytes_max(1001) == 32 + 2002);
  CHECK(encoded(c, normals(1001, 1), 0).size() == c.encoded_bytes_max(1001));
}

TEST_CASE("cast: bfloat16 contracts by 1 - 2^-16 for normal floats of every size") {
  Cast c(Half::bfloat16);
  double worst = 0;
  for (const float value : edges(Half::bfloat16)) {
    if (std::fabs(value) < 0x1p-126f) continue;
    const float one[] = {value};
    const double error = decoded(c, encoded(c, one, 0), 1)[0] - double{value};
    worst = std::max(worst, std::pow(error / value, 2));
  }
  CHECK(worst <= 1 - c.contract(1).constant);
  CHECK(worst > 0x1p-16 * 0.97);
}

TEST_CASE("cast: float16 within β² and σ²") {
  Cast c(Half::float16);
  const Contract contract = c.contract(1);
  CHECK(contract == Contract{Guarantee::bounded, 0x1p-22, 0x1p-50});
  CHECK(c.contract(1000).absolute == 1000 * 0x1p-50);
  double worst = 0;
  for (const float value : edges(Half::float16)) {
    const float one[] = {value};
    const double error = decoded(c, encoded(c, one, 0), 1)[0] - double{value};
    worst =
        std::max(worst, error * error / (contract.constant * value * value + contract.absolute));
  }
  CHECK(worst <= 1);
  CHECK(worst > 0.9);
}

TEST_CASE("cast: float16 advises bfloat16 where a value does not fit") {
  Cast c(Half::float16);
  std::vector<float> x = normals(100, 1);
  x[41] = -70000;
  std::vector<std::byte> out(c.encoded_bytes_max(100));
  const auto used = c.encode(x, 0, out);
  REQUIRE_FALSE(used.ok());
  CHECK(used.error().code == ErrorCode::diverged);
  CHECK(used.error().message ==
        "found -70000 at index 41, the largest float16 is 65504; use bfloat16");
  x[41] = 65519;
  CHECK(c.encode(x, 0, out).ok());
}

TEST_CASE("cast: a value that is not finite is refused with its index") {
  Cast c(Half::bfloat16);
  std::vector<std::byte> message = encoded(c, normals(100, 1), 0);
  message[32 + 2 * 70] = std::byte{0x80};
  message[32 + 2 * 70 + 1] = std::byte{0x7f};
  std::vector<float> y(100);
  CHECK(c.decode_add(message, 1, y).error().message ==
        "value at index 70: found inf, expected a finite number");
}
