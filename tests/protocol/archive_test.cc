#include "protocol/archive.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/support/memory_state.h"

using namespace starling;
using test::MemoryState;

namespace {

enum class Colour { red, green, blue };

SharedBytes bytes_of(std::initializer_list<int> values) {
  ByteBlock block(values.size());
  std::size_t i = 0;
  for (const int v : values) block.bytes()[i++] = static_cast<std::byte>(v);
  return block;
}

// One of everything.
struct Thing {
  std::vector<float> model = {0, 0, 0};
  std::vector<std::vector<float>> duals = {{}, {}};
  std::uint32_t steps = 0;
  std::int64_t drift = 0;
  std::size_t count = 0;
  double power = 1;
  float scale = 0;
  bool open = false;
  Colour colour = Colour::red;
  std::optional<std::uint32_t> epoch;
  Duration elapsed{0};
  SharedBytes body;

  void archive(Archive& a) {
    a.fixed("model", model);
    for (std::size_t i = 0; i < duals.size(); ++i) {
      const Archive::Scope edge(a, "edge", i);
      a.floats("dual", duals[i], 3);
    }
    const Archive::Scope counters(a, "counters");
    a.number("steps", steps);
    a.number("drift", drift);
    a.number("count", count, 2);
    a.number("power", power);
    a.number("scale", scale);
    a.number("open", open);
    a.number("colour", colour, Colour::blue);
    a.number("epoch", epoch);
    a.number("elapsed", elapsed);
    a.bytes("body", body, 4);
  }
};

Thing full() {
  return {.model = {1, -2, 0.1F},
          .duals = {{}, {4, 5, 6}},
          .steps = 4294967295,
          .drift = -7,
          .count = 2,
          .power = 0.1,
          .scale = 1e-38F,
          .open = true,
          .colour = Colour::green,
          .epoch = 3,
          .elapsed = Duration{-5},
          .body = bytes_of({1, 2, 255})};
}

// What is said of the state of full() after `damage`.
std::string refusal(const std::function<void(MemoryState&)>& damage) {
  Thing thing = full();
  MemoryState state = test::saved(thing);
  damage(state);
  Thing fresh;
  const auto loaded = test::load(state, fresh);
  return loaded ? "" : loaded.error().message;
}

}  // namespace

TEST_CASE("what was saved is loaded again, under names with their scopes") {
  Thing thing = full(), loaded;
  const MemoryState state = test::saved(thing);
  CHECK(state.values.at("counters.epoch") == "3");
  CHECK(state.values.at("counters.elapsed") == "-5");
  CHECK(state.blobs.contains("edge.1.dual"));
  CHECK(state.blobs.at("edge.0.dual").data.empty());

  REQUIRE(test::load(state, loaded).ok());
  CHECK(loaded.model == thing.model);
  CHECK(loaded.duals == thing.duals);
  CHECK(loaded.steps == thing.steps);
  CHECK(loaded.drift == thing.drift);
  CHECK(loaded.colour == thing.colour);
  CHECK(loaded.elapsed == thing.elapsed);
  CHECK(test::saved(loaded) == state);
}

TEST_CASE("what an object had before is gone after loading, optional things included") {
  Thing empty;
  Thing thing = full();
  REQUIRE(test::load(test::saved(empty), thing).ok());
  CHECK(thing.duals[1].empty());
  CHECK_FALSE(thing.epoch.has_value());
  CHECK(thing.body.size() == 0);
  CHECK(test::saved(thing) == test::saved(empty));
}

TEST_CASE("numbers come back to the last bit") {
  using Limits = std::numeric_limits<double>;
  for (const double value : {0.1, -0.0, 1.0 / 3, Limits::denorm_min(), Limits::max(),
                             -Limits::infinity(), 1e22, Limits::quiet_NaN()}) {
    Thing thing, loaded;
    thing.power = value;
    thing.scale = static_cast<float>(value);
    REQUIRE(test::load(test::saved(thing), loaded).ok());
    CHECK(std::bit_cast<std::uint64_t>(loaded.power) == std::bit_cast<std::uint64_t>(thing.power));
    CHECK(std::bit_cast<std::uint32_t>(loaded.scale) == std::bit_cast<std::uint32_t>(thing.scale));
  }
}

TEST_CASE("state that does not fit is refused with its name and both sizes") {
  CHECK(refusal([](MemoryState&) {}).empty());
  CHECK(refusal([](MemoryState& s) { s.blobs["model"].data.resize(8); }) ==
        "state 'model' has 2 floats, expected 3");
  CHECK(refusal([](MemoryState& s) { s.blobs["edge.1.dual"].data.resize(8); }) ==
        "state 'edge.1.dual' has 2 floats, expected none or 3");
  CHECK(refusal([](MemoryState& s) { s.blobs["model"].data.resize(11); }) ==
        "state 'model' has 11 bytes, expected whole floats");
  CHECK(refusal([](MemoryState& s) { s.blobs["counters.body"].data.resize(5); }) ==
        "state 'counters.body' has 5 bytes, expected at most 4");
  CHECK(refusal([](MemoryState& s) { s.blobs["model"].type = BlobType::bytes; }) ==
        "state 'model' holds bytes, expected float32");
  CHECK(refusal([](MemoryState& s) { s.blobs["counters.body"].type = BlobType::float32; }) ==
        "state 'counters.body' holds float32, expected bytes");
  CHECK(refusal([](MemoryState& s) { s.blobs.erase("edge.0.dual"); }) ==
        "state 'edge.0.dual' is missing");
  CHECK(refusal([](MemoryState& s) { s.values.erase("counters.power"); }) ==
        "state 'counters.power' is missing");
}

TEST_CASE("numbers that are none, or out of range, are refused") {
  const auto with = [](const char* name, const char* text) {
    return refusal([&](MemoryState& s) { s.values[name] = std::string(text); });
  };
  CHECK(with("counters.steps", "12x") ==
        "state 'counters.steps' is '12x', expected a whole number, 0 or more");
  CHECK(with("counters.steps", "-1") ==
        "state 'counters.steps' is '-1', expected a whole number, 0 or more");
  CHECK(with("counters.steps", "4294967296") ==
        "state 'counters.steps' is 4294967296, expected at most 4294967295");
  CHECK(with("counters.count", "3") == "state 'counters.count' is 3, expected at most 2");
  CHECK(with("counters.colour", "3") == "state 'counters.colour' is 3, expected at most 2");
  CHECK(with("counters.open", "2") == "state 'counters.open' is 2, expected at most 1");
  CHECK(with("counters.power", "") == "state 'counters.power' is '', expected a number");
  CHECK(with("counters.drift", "1\n") == "state 'counters.drift' is '1?', expected a whole number");
}

TEST_CASE("state that nobody asked for is refused") {
  CHECK(refusal([](MemoryState& s) {
          s.values["momentum"] = std::string("1");
        }).starts_with("state 'momentum' is there, expected none of that name"));
}

TEST_CASE("after the first thing that does not fit nothing is touched") {
  Thing thing = full(), loaded;
  MemoryState state = test::saved(thing);
  state.blobs.erase("edge.0.dual");
  state.values["counters.steps"] = std::string("none");
  const auto failed = test::load(state, loaded);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().message == "state 'edge.0.dual' is missing");
  CHECK(loaded.model == thing.model);  // before it
  CHECK(loaded.steps == 0);
  CHECK(loaded.count == 0);
}

TEST_CASE("an object refuses what each number allows and all together do not") {
  struct Pair {
    std::uint64_t low = 1, high = 2;
    void archive(Archive& a) {
      const Archive::Scope scope(a, "pair");
      a.number("low", low);
      a.number("high", high);
      if (low > high && a.loading()) a.refuse("low is above high");
    }
  } pair, other;
  MemoryState state = test::saved(pair);
  CHECK(test::load(state, other).ok());
  state.values["pair.low"] = std::string("3");
  const auto failed = test::load(state, other);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().message == "state 'pair': low is above high");
}

namespace {

// Things that are told apart by numbers.
struct Crowd {
  std::vector<std::uint64_t> numbers;
  std::vector<float> values = std::vector<float>(numbers.size(), 0.0f);
  std::vector<std::uint64_t> gone = {};

  void archive(Archive& a) {
    a.roster("edge", numbers);
    const Archive::Scope scope(a, "method");
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const Archive::Member one(a, "edge", i);
      if (one) a.number("value", values[i]);
    }
    gone = a.gone("edge");
  }
};

}  // namespace

TEST_CASE("archive: members of a roster are found by their numbers; others come and go") {
  Crowd before{{2, 5, 7}, {20, 50, 70}};
  MemoryState state = test::saved(before);
  Crowd after{{5, 6, 7, 12}};
  REQUIRE(test::load(state, after).ok());
  CHECK(after.values == std::vector<float>{50, 0, 70, 0});
  CHECK(after.gone == std::vector<std::uint64_t>{2});
  // Of one that is still here everything has to be there.
  state.values.erase("method.edge.5.value");
  CHECK(test::load(state, after).error().message == "state 'method.edge.5.value' is missing");
  // What is no member's is still nobody's.
  state = test::saved(before);
  state.values["method.wedge.2.value"] = std::string(1, '1');
  CHECK_FALSE(test::load(state, after).ok());
}
