#include "protocol/parts.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace starling;

namespace {

// In a block of just these bytes, so that a sanitizer sees a read beyond them.
std::vector<std::byte> bytes_of(std::initializer_list<unsigned> values) {
  std::vector<std::byte> bytes;
  for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

}  // namespace

TEST_CASE("parts: each comes behind its length, also none at all, and then it is the end") {
  const auto bytes = bytes_of({2, 0, 0, 0, 7, 8, 0, 0, 0, 0, 1, 0, 0, 0, 9});
  PartReader parts(bytes);
  const auto first = parts.next("part", 0), second = parts.next("part", 1);
  CHECK_FALSE(parts.end().ok());
  const auto third = parts.next("part", 2);
  REQUIRE(first->size() == 2);
  CHECK((*first)[1] == std::byte{8});
  CHECK(second->empty());
  REQUIRE(third->size() == 1);
  CHECK((*third)[0] == std::byte{9});
  CHECK(parts.end().ok());
}

// With three bytes left, what is left behind a length is three minus four.
TEST_CASE("parts: fewer bytes than a length has are refused, however few") {
  for (std::size_t left = 0; left < kPartLengthBytes; ++left) {
    const std::vector<std::byte> bytes(left, std::byte{0xff});
    PartReader parts(bytes);
    const auto refused = parts.next("message", 4);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message ==
          "length of message 4: found " + std::to_string(left) + " bytes, expected 4");
    CHECK(parts.rest().size() == left);
  }
}

TEST_CASE("parts: a length beyond the end is refused, the largest too") {
  for (const auto& bytes :
       {bytes_of({2, 0, 0, 0, 1}), bytes_of({0xff, 0xff, 0xff, 0xff, 1}), bytes_of({1, 0, 0, 0})}) {
    PartReader parts(bytes);
    CHECK_FALSE(parts.next("part", 0).ok());
    CHECK(parts.rest().size() == bytes.size());
  }
}
