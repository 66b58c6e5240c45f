#include "compress/bits.h"

#include <doctest/doctest.h>

#include <vector>

#include "protocol/random.h"

using namespace starling;
using namespace starling::compress;

TEST_CASE("bits: numbers of every width come back, the last byte is padded with zeros") {
  const Random random(1, Stream::test);
  std::vector<std::byte> out(64 * 64 * 8);
  BitWriter writer(out);
  const auto value = [&](std::uint64_t i, unsigned width) {
    return random.bits(i) & ((std::uint64_t{1} << width) - 1);
  };
  std::size_t bits = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    writer.put(value(i, i % 57), i % 57);
    bits += i % 57;
  }
  const std::size_t used = writer.finish();
  CHECK(used == (bits + 7) / 8);
  BitReader reader{std::span(out).first(used)};
  for (std::uint64_t i = 0; i < 2000; ++i) REQUIRE(reader.get(i % 57) == value(i, i % 57));
  CHECK_FALSE(reader.overrun());
  CHECK(reader.padded_with_zeros());
  CHECK(reader.bytes_used() == used);
}

TEST_CASE("bits: unary numbers of every size, and one that is larger than allowed") {
  std::vector<std::byte> out(4096);
  BitWriter writer(out);
  for (std::uint64_t i = 0; i < 200; ++i) writer.put_unary(i);
  const std::size_t used = writer.finish();
  BitReader reader{std::span(out).first(used)};
  for (std::uint64_t i = 0; i < 200; ++i) REQUIRE(reader.get_unary(200) == i);
  CHECK_FALSE(reader.overrun());
  BitReader again{std::span(out).first(used)};
  for (std::uint64_t i = 0; i <= 10; ++i) again.get_unary(10);
  CHECK(again.get_unary(10) == 11);
}

TEST_CASE("bits: reading past the end is zeros and is remembered") {
  const std::vector<std::byte> two(2);
  BitReader reader{two};
  CHECK(reader.get(16) == 0);
  CHECK_FALSE(reader.overrun());
  CHECK(reader.get(1) == 0);
  CHECK(reader.overrun());
  BitReader unary{two};
  CHECK(unary.get_unary(1000) == 1001);
  CHECK(unary.overrun());
}

TEST_CASE("bits: padding that is not zero is seen") {
  const std::vector<std::byte> one = {std::byte{0x10}};
  BitReader reader{one};
  reader.get(4);
  CHECK_FALSE(reader.padded_with_zeros());
  reader.get(1);
  CHECK(reader.padded_with_zeros());
}

TEST_CASE("bits: Rice numbers inside and beyond a window, and one that is larger than allowed") {
  const std::uint64_t numbers[] = {0, 1, 63, 64, 1000, 40'000, 0xffffffff, 5};
  for (const unsigned low : {0U, 6U, 13U, 31U}) {
    std::vector<std::byte> out(16384);
    BitWriter writer(out);
    for (const std::uint64_t n : numbers) {
      if (n >> low > 50'000) continue;
      writer.put_unary(n >> low);
      writer.put(n & ((std::uint64_t{1} << low) - 1), low);
    }
    BitReader reader{std::span(out).first(writer.finish())};
    for (const std::uint64_t n : numbers) {
      if (n >> low <= 50'000) REQUIRE(reader.get_rice(low, 0xffffffff) == n);
    }
    CHECK_FALSE(reader.overrun());
    CHECK(reader.padded_with_zeros());
  }
  std::vector<std::byte> out(64);
  BitWriter writer(out);
  writer.put_unary(300);
  BitReader reader{std::span(out).first(writer.finish())};
  CHECK(reader.get_rice(0, 100) > 100);
}

TEST_CASE("bits: a one in any of the bytes that are left is seen") {
  for (const std::size_t at : {0, 1, 4}) {
    std::vector<std::byte> five(5);
    BitReader reader{five};
    reader.skip(3);
    CHECK(reader.rest_is_zero());
    five[at] = std::byte{0x08};
    CHECK_FALSE(reader.rest_is_zero());
  }
}
