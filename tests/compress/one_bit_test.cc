#include "compress/one_bit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

MakeOperator one_bit(float scale) {
  return [=](std::size_t) { return std::make_unique<OneBit>(scale); };
}

}  // namespace

TEST_CASE("one bit: the properties of every operator") {
  // Around the 4096 floats that are swept twice.
  check_operator(one_bit(0.7f), {.lengths = {0, 1, 15, 16, 17, 513, 4095, 4096, 4097, 10'000}});
  for (const float scale : {0.0f, 0x1p-120f, 3e38f}) {
    check_operator(one_bit(scale), {.lengths = {0, 1, 17, 513}});
  }
}

TEST_CASE("one bit: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 13, 512, 1000}) check_hostile(one_bit(0.7f), d);
  check_hostile(one_bit(0), 100);
}

TEST_CASE("one bit: bytes are a bit a coordinate") {
  OneBit c(1);
  CHECK(c.encoded_bytes_max(0) == 32);
  CHECK(c.encoded_bytes_max(1001) == 32 + 126);
  CHECK(encoded(c, normals(1001, 1), 0).size() == c.encoded_bytes_max(1001));
}

TEST_CASE("one bit: inside the ball every coordinate errs by half a scale at most") {
  std::vector<float> x = normals(10'000, 2);
  for (float& value : x) value = std::clamp(value, -1.5f, 1.5f);
  x[0] = 1.5f;
  x[1] = -1.5f;
  x[2] = -0.0f;
  OneBit c(1.5f);
  const std::vector<float> y = decoded(c, encoded(c, x, 0), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    REQUIRE(std::fabs(y[i]) == 0.75f);
    REQUIRE(std::fabs(y[i] - x[i]) <= 0.75f);
  }
  CHECK(y[2] == -0.75f);
  CHECK_FALSE(c.overflowed());
  CHECK(c.contract(16) == Contract{Guarantee::bounded, 0, 9});
  CHECK(distance2(x, y) <= c.contract(x.size()).absolute);
}

TEST_CASE("one bit: coordinates outside the ball are counted, not those of a refused vector") {
  OneBit c(1);
  std::vector<float> x(9000, 1.0f);
  x[0] = 1.5f;
  x[4096] = -std::nextafter(1.0f, 2.0f);
  x[8999] = 3e38f;
  encoded(c, x, 0);
  CHECK(c.overflows() == 3);
  CHECK(c.overflowed());
  std::vector<std::byte> out(c.encoded_bytes_max(x.size()));
  std::vector<float> e(x.size(), 0.0f);
  x[1] = 5;
  REQUIRE(c.encode_ef(e, x, 0, out).ok());
  CHECK(c.overflows() == 4);
  x[2] = x[3] = 7;
  x[8000] = std::numeric_limits<float>::infinity();
  CHECK_FALSE(c.encode(x, 0, out).ok());
  CHECK(c.overflows() == 4);
}

// Gossip specification §4: the filter h += s_k Q((y - h)/s_k) halves its error a round, so it keeps
// within s_k = s_0 ρ^k for ρ >= 1/2 and leaves the ball below that.
TEST_CASE("one bit: the innovation filter follows a scale that shrinks by half, not by more") {
  const auto follow = [](float ratio) {
    const std::vector<float> target = normals(1000, 3);
    std::vector<float> h(1000, 0.0f), innovation(1000);
    std::size_t overflows = 0;
    float scale = 6;
    for (int round = 0; round < 12; ++round, scale *= ratio) {
      for (std::size_t i = 0; i < h.size(); ++i) innovation[i] = target[i] - h[i];
      OneBit sender(scale);
      const OneBit receiver(123);  // believes the message
      REQUIRE(receiver.decode_add(encoded(sender, innovation, 0), 1, h).ok());
      overflows += sender.overflows();
    }
    return std::pair(overflows, std::sqrt(distance2(h, target) / 1000));
  };
  CHECK(follow(0.5f).first == 0);
  CHECK(follow(0.5f).second < 6 * 0x1p-12);
  CHECK(follow(0.4f).first > 1000);
}

TEST_CASE("one bit: a scale that is none and bits behind the last are refused") {
  OneBit c(1);
  std::vector<std::byte> message = encoded(c, normals(100, 1), 0);
  std::vector<float> y(100);
  message.back() |= std::byte{0x80};
  CHECK_FALSE(c.decode_add(message, 1, y).ok());
  message.back() &= std::byte{0x0f};
  REQUIRE(c.decode_add(message, 1, y).ok());
  message[27] = std::byte{0xbf};
  CHECK(c.decode_add(message, 1, y).error().message ==
        "scale: found -1, expected 0 or a finite number of at least 2^-120");
  message[27] = std::byte{0x3f};
  message[28] = std::byte{1};
  CHECK(c.decode_add(message, 1, y).error().message ==
        "header field seed: found 5360320512, expected 1065353216");
}
