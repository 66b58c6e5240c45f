// The budget of a day over processes that end in order, die, or find another clock.
#include "daemon/day_file.h"

#include <doctest/doctest.h>
#include <spdlog/sinks/null_sink.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/daemon/scratch.h"
#include "tests/peer/support.h"

using namespace starling;
using namespace starling::daemon;

namespace {

constexpr std::uint64_t kDay = 24'000'000'000;

peer::LinkOptions options() {
  peer::LinkOptions o;
  o.self = node_id(0);
  o.self_name = "n0";
  o.neighbors.push_back({node_id(1), "n1", "127.0.0.1:1"});
  o.rates.per_day = kDay;
  o.neighbor_rates.per_day = 2 * kDay;
  return o;
}

// A process with a budget of all its links and one of each, to one neighbor that is never there.
struct Process {
  explicit Process(const std::filesystem::path& file)
      : node(io, options()),
        day(
            io, file, *node, [](NodeId) { return "n1"; },
            std::make_shared<spdlog::logger>("n0",
                                             std::make_shared<spdlog::sinks::null_sink_st>())) {
    day.begin();
  }
  // Parts of what may go at once; of all links, and of the one.
  std::vector<double> used() {
    std::vector<double> parts;
    for (const peer::DayUse& use : node->day_use()) {
      parts.push_back(static_cast<double>(use.used) / static_cast<double>(use.at_once));
    }
    return parts;
  }
  asio::io_context io;
  peer::test::Node node;
  DayFile day;
};

nlohmann::json read(const std::filesystem::path& file) {
  std::ifstream in(file);
  return nlohmann::json::parse(in);
}

}  // namespace

TEST_CASE("day file: a process that dies before it has said more leaves nothing to the next") {
  const Scratch scratch;
  const auto file = scratch.path / "day.json";
  {
    Process first(file);
    CHECK(first.used() == std::vector<double>{0, 0});
    const auto all = first.node->day_use();
    CHECK(read(file)["used"] == nlohmann::json{{"", all[0].at_once}, {"n1", all[1].at_once}});
  }
  Process second(file);
  for (const double part : second.used()) CHECK(part == doctest::Approx(1).epsilon(0.01));
  second.day.end();
  Process third(file);
  for (const double part : third.used()) CHECK(part == doctest::Approx(1).epsilon(0.01));
}

TEST_CASE(
    "day file: an orderly end tells what has gone, and nothing has gone of a process at rest") {
  const Scratch scratch;
  const auto file = scratch.path / "day.json";
  Process first(file);
  first.day.end();
  CHECK(read(file)["used"] == nlohmann::json{{"", 0}, {"n1", 0}});
  Process second(file);
  CHECK(second.used() == std::vector<double>{0, 0});
}
