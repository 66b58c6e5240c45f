#include "compress/finite.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace starling;
using namespace starling::compress;

TEST_CASE("finite: every non-finite value is found at every index") {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  for (const std::size_t size : {1, 7, 64, 4095, 4096, 4097, 9000}) {
    std::vector<float> x(size, 1.0f);
    x[0] = std::numeric_limits<float>::denorm_min();
    x[size - 1] = std::numeric_limits<float>::max();
    CHECK_FALSE(first_non_finite(x));
    for (const float bad : {nan, -nan, inf, -inf}) {
      for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
        std::vector<float> y = x;
        y[at] = bad;
        CHECK(first_non_finite(y) == at);
      }
    }
  }
}

TEST_CASE("finite: an encoder's refusal names value and index") {
  std::vector<float> x(5, 1.0f);
  CHECK(check_finite(x).ok());
  x[3] = std::numeric_limits<float>::infinity();
  CHECK(check_finite(x).error().message == "found inf at index 3, expected finite values");
}

TEST_CASE(
    "finite: a sum that overflows is refused, also in the last place, and all of e is added") {
  std::vector<float> e(9000, 1.0f), g(9000, 2.0f);
  CHECK(add_finite(e, g).ok());
  CHECK(e == std::vector<float>(9000, 3.0f));
  g[17] = e[17] = g.back() = e.back() = std::numeric_limits<float>::max();
  CHECK(add_finite(e, g).error().message == "found inf at index 17, expected finite values");
  CHECK(e[8998] == 5);
  e[17] = 0;
  g[17] = 0;
  e.back() = g.back();
  CHECK(add_finite(e, g).error().message == "found inf at index 8999, expected finite values");
}

TEST_CASE("raw floats: the length and every value are checked, at any alignment") {
  std::vector<std::byte> bytes(13);
  CHECK(check_raw_floats(std::span(bytes).subspan(1), 3).ok());
  CHECK(check_raw_floats(bytes, 3).error().message == "body has 13 bytes, expected 12 (3 floats)");
  bytes[8] = bytes[7] = std::byte{0xff};
  CHECK(check_raw_floats(std::span(bytes).subspan(1), 3).error().message ==
        "body holds -nan at index 1, expected finite values");
}
