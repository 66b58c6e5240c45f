// How long a neighbor is left out that sends what no correct node can send; in virtual time.
#include "node/strikes.h"

#include <doctest/doctest.h>

using namespace starling;
using namespace starling::node;
using namespace std::chrono_literals;

namespace {

// Three at once; for how long it is left out.
Duration thrice(Strikes& strikes, Time now) {
  CHECK_FALSE(strikes.strike(now));
  CHECK_FALSE(strikes.strike(now));
  return strikes.strike(now).value_or(Duration{0});
}

}  // namespace

TEST_CASE("strikes: the third within ten minutes leaves the neighbor out") {
  Strikes strikes;
  CHECK_FALSE(strikes.strike(0s));
  CHECK_FALSE(strikes.strike(5min));
  CHECK(strikes.fresh(5min) == 2);
  CHECK_FALSE(strikes.is_out(5min));
  CHECK(strikes.strike(10min) == 30s);
  CHECK(strikes.is_out(10min + 29s));
  CHECK(strikes.left(10min + 10s) == 20s);
  CHECK_FALSE(strikes.is_out(10min + 30s));
  CHECK(strikes.fresh(10min) == 0);
  CHECK(strikes.total() == 3);
}

TEST_CASE("strikes: those of long ago do not count") {
  Strikes strikes;
  for (int i = 0; i < 50; ++i) CHECK_FALSE(strikes.strike(i * 6min));
  CHECK(strikes.total() == 50);
  CHECK(strikes.fresh(49 * 6min) == 2);
  CHECK(strikes.fresh(49 * 6min + 11min) == 0);
}

TEST_CASE("strikes: each time it is left out for twice as long, up to an hour") {
  Strikes strikes;
  Time now{0};
  Duration expected = 30s;
  for (int i = 0; i < 12; ++i) {
    const Duration out = thrice(strikes, now);
    CHECK(out == expected);
    now += out;
    expected = std::min<Duration>(2 * expected, 1h);
  }
  CHECK(expected == 1h);
}

TEST_CASE("strikes: one that gave no reason for two hours begins at the first back-off again") {
  Strikes strikes;
  CHECK(thrice(strikes, 0s) == 30s);
  CHECK(thrice(strikes, 30s) == 60s);
  CHECK(thrice(strikes, 90s + 2h) == 120s);
  CHECK(thrice(strikes, 90s + 2h + 120s + 2h + 1s) == 30s);
}
