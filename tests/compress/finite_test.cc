#include "compress/finite.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "compress/identity.h"

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

TEST_CASE("identity: decodes to what was encoded, and rejects everything else untouched") {
  Identity identity(3);
  const std::vector<float> x = {1, -2, 0.5f};
  std::vector<std::byte> bytes(identity.encoded_bytes_max());
  CHECK(identity.encode(x, 0, bytes) == 12);
  std::vector<float> y = {1, 1, 1};
  REQUIRE(identity.decode_add(bytes, 2, y).ok());
  CHECK(y == std::vector<float>{3, -3, 2});
  CHECK_FALSE(identity.decode_add(std::span(bytes).first(8), 2, y).ok());
  bytes[3] = bytes[2] = std::byte{0xff};
  CHECK(identity.decode_add(bytes, 2, y).error().message ==
        "body holds -nan at index 0, expected finite values");
  CHECK(y == std::vector<float>{3, -3, 2});
}
