#include "node/memory.h"

#include <doctest/doctest.h>

#include "node/config_names.h"

using namespace starling;
using namespace starling::node;

namespace {

// Four nodes on a quadratic of a million parameters' worth of nothing but its size.
Run run_of(const std::string& more) {
  Config config = parse_config(
                      "[topology]\nkind = \"complete\"\nnodes = 4\nbase_port = 7700\n"
                      "[data]\nkind = \"quadratic\"\ndimension = 400\n[model]\nkind = "
                      "\"quadratic\"\n" +
                          more,
                      "run.toml", "base", {})
                      .value();
  return load_run(std::move(config)).value();
}

std::uint64_t part(const MemoryForecast& forecast, const std::string& name) {
  for (const MemoryPart& part : forecast.parts) {
    if (part.name == name) return part.bytes;
  }
  return 0;
}

constexpr std::uint64_t kModel = 400 * sizeof(float);

}  // namespace

TEST_CASE("memory: an exact method takes a dual a neighbor, one with replicas more") {
  const auto edges = [](const std::string& algorithm) {
    return part(
        forecast_memory(run_of("[gossip]\nalgorithm = \"" + algorithm + "\"\n"), node_id(0)),
        "state of the edges");
  };
  CHECK(edges("d-psgd") == 0);
  CHECK(edges("nids") == 3 * kModel);
  CHECK(edges("dyna-cold") == 3 * 3 * kModel);  // replica, dual, and what is kept for later
}

TEST_CASE("memory: the optimizer's moments count") {
  const auto optimizer = [](const std::string& train) {
    return part(forecast_memory(run_of("[train]\n" + train), node_id(0)), "optimizer");
  };
  CHECK(optimizer("momentum = 0.0\n") == 0);
  CHECK(optimizer("momentum = 0.9\n") == kModel);
  CHECK(optimizer("optimizer = \"adam\"\n") == 2 * kModel);
}

TEST_CASE("memory: the parts are the whole, the largest first, and are said in one sentence") {
  const MemoryForecast forecast = forecast_memory(run_of(""), node_id(0));
  std::uint64_t sum = 0, before = UINT64_MAX;
  for (const MemoryPart& one : forecast.parts) {
    CHECK(one.bytes <= before);
    before = one.bytes;
    sum += one.bytes;
  }
  CHECK(forecast.bytes() == sum);
  CHECK(forecast.sentence().starts_with("at most "));
  CHECK(forecast.sentence().find("MiB program") != std::string::npos);
}

TEST_CASE("memory: a node over its limit is refused with both figures and what to do") {
  CHECK(check_memory(run_of(""), node_id(0)).ok());
  CHECK(check_memory(run_of("[run]\nmemory_limit = \"1 GiB\"\n"), node_id(0)).ok());
  const auto over = check_memory(run_of("[run]\nmemory_limit = \"1 MiB\"\n"), node_id(2));
  REQUIRE_FALSE(over.ok());
  CHECK(over.error().code == ErrorCode::config);
  CHECK(over.error().message.starts_with(
      "run.toml: [run] memory_limit: found 1 MiB, but n2 takes at most "));
  CHECK(over.error().message.find("raise the limit") != std::string::npos);
}

TEST_CASE("sizes: a number with a unit or none, and back") {
  CHECK(bytes_of("2 GiB") == std::uint64_t{2} << 30);
  CHECK(bytes_of("512MiB") == std::uint64_t{512} << 20);
  CHECK(bytes_of("7") == 7);
  CHECK(bytes_of("7 B") == 7);
  CHECK(bytes_of("0") == 0);
  for (const char* wrong : {"", "GiB", "-1", "1.5 GiB", "2 GB", "2 gib", "2 GiB ", " 2", "1e3",
                            "99999999999999999999", "16777216 TiB"}) {
    CAPTURE(wrong);
    CHECK_FALSE(bytes_of(wrong).has_value());
  }
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 30,
                                    std::uint64_t{1536} << 20, std::uint64_t{1000}}) {
    CHECK(bytes_of(show_bytes(bytes)) == bytes);
  }
  CHECK(show_bytes(std::uint64_t{1536} << 20) == "1536 MiB");
}
