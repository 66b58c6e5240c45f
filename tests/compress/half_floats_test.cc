#include "compress/half_floats.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "properties.h"

using namespace starling::compress;
using namespace starling::test;

TEST_CASE("half floats: every number of the formats comes back as itself") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if (std::isfinite(from_bfloat16(half))) REQUIRE(to_bfloat16(from_bfloat16(half)) == half);
    if (!std::isnan(from_float16(half))) REQUIRE(to_float16(from_float16(half)) == half);
  }
  CHECK(from_float16(0x3c00) == 1);
  CHECK(from_float16(0x0001) == 0x1p-24f);
  CHECK(from_float16(0xfbff) == -kFloat16Max);
  CHECK(from_bfloat16(0x3f80) == 1);
}

TEST_CASE("half floats: between two neighbors the nearer, half-way the even one") {
  const auto check = [](auto to, auto from, std::uint32_t last) {
    for (std::uint32_t bits = 0; bits < last; ++bits) {
      const float low = from(static_cast<std::uint16_t>(bits));
      const float high = from(static_cast<std::uint16_t>(bits + 1));
      const auto middle = static_cast<float>((double{low} + high) / 2);
      if (double{middle} != (double{low} + high) / 2) continue;  // below the smallest float
      for (const float sign : {1.0f, -1.0f}) {
        const std::uint32_t with = sign < 0 ? 0x8000 : 0;
        REQUIRE(to(sign * middle) == (with | (bits + bits % 2)));
        REQUIRE(to(sign * std::nextafter(middle, 0.0f)) == (with | bits));
        REQUIRE(to(sign * std::nextafter(middle, INFINITY)) == (with | (bits + 1)));
      }
    }
  };
  check(to_bfloat16, from_bfloat16, 0x7f7f);
  check(to_float16, from_float16, 0x7bff);
}

TEST_CASE("half floats: the top of the range") {
  constexpr float kMost = std::numeric_limits<float>::max();
  CHECK(std::isfinite(from_bfloat16(to_bfloat16(kMost))));
  CHECK(from_bfloat16(to_bfloat16(-kMost)) == -0x1.fep127f);
  CHECK((double{kMost} - 0x1.fep127) / kMost < 0x1p-8);
  CHECK(from_float16(to_float16(std::nextafter(kFloat16Overflow, 0.0f))) == kFloat16Max);
  CHECK(std::isinf(from_float16(to_float16(kFloat16Overflow))));
  CHECK(std::isinf(from_bfloat16(to_bfloat16(std::numeric_limits<float>::infinity()))));
  CHECK(std::isnan(from_bfloat16(to_bfloat16(std::nanf("")))));
  CHECK(std::isnan(from_float16(to_float16(std::nanf("")))));
}

TEST_CASE("half floats: relative errors of 2^-8 and 2^-11") {
  double worst_bfloat16 = 0, worst_float16 = 0;
  for (const float x : heavy(20'000, 1)) {
    if (std::fabs(x) < 0x1p-14f) continue;
    worst_bfloat16 = std::max(worst_bfloat16, std::fabs(from_bfloat16(to_bfloat16(x)) / x - 1.0));
    worst_float16 = std::max(worst_float16, std::fabs(from_float16(to_float16(x)) / x - 1.0));
  }
  CHECK(worst_bfloat16 <= 0x1p-8);
  CHECK(worst_bfloat16 > 0x1.f8p-9);
  CHECK(worst_float16 <= 0x1p-11);
  CHECK(worst_float16 > 0x1.f8p-12);
}
