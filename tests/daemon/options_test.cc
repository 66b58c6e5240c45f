#include "daemon/options.h"

#include <doctest/doctest.h>

using namespace starling;
using namespace starling::daemon;

TEST_CASE("options: durations have a number and a unit") {
  CHECK(*parse_duration("10ms") == std::chrono::milliseconds(10));
  CHECK(*parse_duration("1.5s") == std::chrono::milliseconds(1500));
  CHECK(*parse_duration("250us") == std::chrono::microseconds(250));
  CHECK(*parse_duration("2min") == std::chrono::minutes(2));
  for (const char* bad : {"", "10", "ms", "-1s", "1 s", "nans", "infs", "1h", "1e999s", "1e300s"}) {
    CAPTURE(bad);
    const auto parsed = parse_duration(bad);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == ErrorCode::config);
  }
  CHECK(parse_duration("10").error().message ==
        "found the time '10', expected a number with us, ms, s or min, such as 10ms");
}

TEST_CASE("options: rates are in bits, and come as bytes a second") {
  CHECK(*parse_rate("100mbit") == 12.5e6);
  CHECK(*parse_rate("1gbit") == 125e6);
  CHECK(*parse_rate("64kbit") == 8e3);
  CHECK(parse_rate("0mbit").error().message ==
        "found the rate '0mbit', expected a number with kbit, mbit or gbit, such as 100mbit");
  CHECK_FALSE(parse_rate("100MB").ok());
}

TEST_CASE("options: sizes are whole numbers of floats") {
  CHECK(*parse_size("25M") == 25'000'000);
  CHECK(*parse_size("1.5k") == 1500);
  CHECK(*parse_size("4096") == 4096);
  CHECK(*parse_size("1") == 1);
  for (const char* bad : {"", "0", "-1", "0.5", "1.2345k", "1e3 k", "25m", "1G", "600M", "nan"}) {
    CAPTURE(bad);
    const auto parsed = parse_size(bad);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == ErrorCode::config);
  }
  CHECK(parse_size("25MB").error().message ==
        "found the size '25MB', expected a whole number of floats from 1 to 536870912, such as "
        "25M, 100k or 4096");
}
