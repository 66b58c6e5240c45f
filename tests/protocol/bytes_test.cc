#include "protocol/bytes.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string_view>

using namespace starling;

namespace {
std::span<const std::byte> view(std::string_view text) { return std::as_bytes(std::span(text)); }
}  // namespace

TEST_CASE("a block is aligned for every vector width, whatever its size") {
  for (const std::size_t size : {0, 1, 63, 64, 65, 4096, 1'000'001}) {
    ByteBlock block(size);
    CHECK(block.bytes().size() == size);
    CHECK(reinterpret_cast<std::uintptr_t>(block.bytes().data()) % 64 == 0);
  }
  CHECK(ByteBlock().bytes().empty());
}

TEST_CASE("shared bytes are the block's own memory, and outlive the copies") {
  ByteBlock block(8);
  block.floats()[0] = 1.5f;
  block.floats()[1] = -2.0f;
  const std::byte* const where = block.bytes().data();
  SharedBytes copy;
  {
    const SharedBytes first(std::move(block));
    CHECK(first.bytes().data() == where);
    copy = first;
  }
  CHECK(copy.bytes().data() == where);
  REQUIRE(copy.floats().size() == 2);
  CHECK(copy.floats()[0] == 1.5f);
  CHECK(copy.floats()[1] == -2.0f);
  CHECK(SharedBytes().size() == 0);
  CHECK(SharedBytes().floats().empty());
}

// From XXH3's own test vectors: the hash is part of the wire format.
TEST_CASE("the hash is XXH3-64") {
  CHECK(hash_of({}) == 0x2d06800538d394c2ull);
  CHECK(hash_of(view("a")) == 0xe6c632b61e964e1full);
  CHECK(hash_of(view("abc")) == 0x78af5f94892f3950ull);
}
