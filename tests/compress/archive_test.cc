#include <doctest/doctest.h>

#include "compress/low_rank.h"
#include "compress/sidco.h"
#include "compress/variable_rate.h"
#include "protocol/random.h"
#include "tests/support/memory_state.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

std::vector<std::byte> message(Compressor& c, std::uint64_t number) {
  std::vector<float> x(4096);
  Random(3, Stream::test, {number}).fill_normal(x);
  if (number % 3 == 0) {
    for (float& value : x) value *= value * value;  // heavier tails, so that SIDCo changes stages
  }
  std::vector<std::byte> out(c.encoded_bytes_max(x.size()));
  out.resize(*c.encode(x, number, out));
  return out;
}

}  // namespace

TEST_CASE("archive: a loaded operator goes on with the messages of the saved one") {
  const auto check = [](auto make) {
    auto one = make(), other = make();
    for (std::uint64_t i = 0; i < 40; ++i) message(*one, i);
    CHECK(message(*make(), 40) != message(*one, 40));  // it has a memory
    const MemoryState state = saved(*one);
    REQUIRE(load(state, *other).ok());
    for (std::uint64_t i = 41; i < 60; ++i) REQUIRE(message(*one, i) == message(*other, i));
  };
  check([] { return std::make_unique<LowRank>(MatrixShape{64, 64}, 2, 7); });
  check([] { return std::make_unique<Sidco>(0.01, TailModel::exponential); });
  check([] {
    return std::make_unique<VariableRate>(VariableRateOptions{.step = 0.5f, .target_bits = 2.5f});
  });
}
