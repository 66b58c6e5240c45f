#include "node/limits.h"

#include <doctest/doctest.h>

#include "node/config_names.h"

using namespace starling;
using namespace starling::node;

namespace {

Run run_of(const std::string& limits) {
  Config config = parse_config(
                      "[topology]\nkind = \"star\"\nnodes = 5\nbase_port = 7700\n"
                      "[data]\nkind = \"quadratic\"\n[model]\nkind = \"quadratic\"\n" +
                          limits,
                      "run.toml", "", {})
                      .value();
  return load_run(std::move(config)).value();
}

}  // namespace

TEST_CASE("limits: one of all links that leaves each too little is refused, with what is enough") {
  CHECK(check_limits(run_of(""), node_id(0)).ok());
  const Run run = run_of("[limits]\nmax_send = \"1mbit\"\nmax_receive = \"128kbit\"\n");
  CHECK(check_limits(run, node_id(3)).ok());  // a leaf of the star
  const auto hub = check_limits(run, node_id(0));
  REQUIRE_FALSE(hub.ok());
  CHECK(hub.error().code == ErrorCode::config);
  CHECK(
      hub.error().message ==
      "run.toml: [limits] max_receive: found 128kbit, but n0 has 4 neighbors, expected 256kbit at "
      "least, or a link would not be told from a dead one");
}

TEST_CASE("limits: a day's bytes that leave a link too little are refused, with what is enough") {
  const Run run =
      run_of("[limits]\nmax_per_day = \"2 GiB\"\nneighbor_max_per_day = \"1376 MiB\"\n");
  CHECK(run.config.limits.max_per_day == std::uint64_t{2} << 30);
  CHECK(check_limits(run, node_id(3)).ok());  // a leaf of the star
  CHECK(check_limits(run, node_id(0)).error().message ==
        "run.toml: [limits] max_per_day: found 2 GiB, but n0 has 4 neighbors, expected 5504 MiB at "
        "least, or a link would not be told from a dead one when most of the day's bytes are gone");
  const Run less = run_of("[limits]\nneighbor_max_per_day = \"1 GiB\"\n");
  CHECK(check_limits(less, node_id(3)).error().message ==
        "run.toml: [limits] neighbor_max_per_day: found 1 GiB, expected 1376 MiB at least, or a "
        "link would not be told from a dead one when most of the day's bytes are gone");
}

TEST_CASE("rates: a number with a unit, and back") {
  CHECK(rate_of("20mbit") == 2.5e6);
  CHECK(rate_of("1.5gbit") == 1.875e8);
  CHECK(rate_of("64kbit") == 8000.0);
  for (const char* wrong : {"", "mbit", "20", "20 mbit", "20Mbit", "-1mbit", "nan", "infmbit",
                            "20mbits", "1e400mbit"}) {
    CAPTURE(wrong);
    CHECK_FALSE(rate_of(wrong));
  }
  for (const char* rate : {"64kbit", "20mbit", "1.5gbit", "0.5kbit"}) {
    CHECK(show_rate(*rate_of(rate)) == rate);
  }
  CHECK(show_rate(0) == "0");
}
