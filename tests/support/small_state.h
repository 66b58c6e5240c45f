// A small state to save: what a checkpoint's tests put into one.
#pragma once

#include <cstring>
#include <vector>

#include "protocol/archive.h"
#include "protocol/random.h"

namespace starling::test {

// A model, a body under way and a number, all drawn from `seed`.
struct SmallState {
  explicit SmallState(std::uint64_t seed = 0, std::size_t floats = 300) : model(floats) {
    if (seed == 0) return;  // empty, to load into
    const Random random(seed, Stream::test);
    random.fill_normal(model);
    count = random.bits(0);
    ByteBlock block(random.below(1, 700));
    for (std::size_t i = 0; i < block.bytes().size(); ++i) {
      block.bytes()[i] = static_cast<std::byte>(random.bits(i));
    }
    body = std::move(block);
  }

  void archive(Archive& a) {
    const Archive::Scope scope(a, "small");
    a.fixed("model", model);
    a.number("count", count);
    a.bytes("body", body, 700);
  }

  bool operator==(const SmallState& other) const {
    const auto same = [](std::span<const std::byte> a, std::span<const std::byte> b) {
      return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
    };
    return count == other.count && same(body.bytes(), other.body.bytes()) &&
           same(std::as_bytes(std::span(model)), std::as_bytes(std::span(other.model)));
  }

  std::vector<float> model;
  std::uint64_t count = 0;
  SharedBytes body;
};

}  // namespace starling::test
