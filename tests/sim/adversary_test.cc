// Thousands of small flocks, each with the faults of its seed (reliability specification, section
// C).
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "gossip/algorithms.h"
#include "protocol/random.h"
#include "sim/trial.h"
#include "tests/sim/runs.h"
#include "tests/support/effort.h"

using namespace starling;
using namespace starling::sim;
using namespace starling::sim::test;
using namespace std::chrono_literals;

namespace {

constexpr Round kRounds = 150;

// Every algorithm and some graphs come round.
node::Run run_of(std::uint64_t seed) {
  static const std::vector<std::string> algorithms = {
      "d-psgd", "powergossip", "powergossip-exact", "choco", "cold",        "dyna-cold", "def-atc",
      "beer",   "nids",        "gradient-tracking", "lead",  "deepsqueeze", "sgp",       "moniqua",
      "ad-psgd"};
  static const std::vector<std::vector<std::string>> topologies = {
      {"topology.kind=ring"},
      {"topology.kind=random-regular", "topology.degree=3"},
      {"topology.kind=complete"},
      {"topology.kind=star"}};
  const Random random(seed, Stream::test);
  const std::string& algorithm = algorithms[random.below(0, algorithms.size())];
  const gossip::AlgorithmTraits& traits = *std::ranges::find(
      gossip::all_algorithms(), algorithm, [](const auto& t) { return std::string(t.name); });
  std::vector<std::string> words = words_of(traits);
  words.insert(words.end(), {"data.dimension=60", fmt::format("run.seed={}", seed),
                             fmt::format("run.rounds={}", kRounds), "train.learning_rate=0.02"});
  const auto& topology = topologies[traits.is_mesh() ? 2 : random.below(1, topologies.size())];
  words.insert(words.end(), topology.begin(), topology.end());
  const bool async = traits.pace == gossip::Pace::either && random.below(3, 2) == 0;
  if (async) {
    words.push_back("gossip.mode=async");
    words.push_back(fmt::format("gossip.staleness={}", 1 + random.below(4, 5)));
  }
  if (traits.takes(gossip::kPowerIteration)) {
    words.push_back(fmt::format("gossip.iterations={}", async ? 1 : 1 + random.below(2, 3)));
  }
  return quadratic(words);
}

Trial play(std::uint64_t seed) {
  const node::Run run = run_of(seed);
  return sim::play(run, {.link = {.delay = 500us}, .step = 1ms}, undisturbed(run, kRounds * 1ms),
                   seed);
}

// STARLING_SEEDS=FIRST..LAST plays others.
std::pair<std::uint64_t, std::uint64_t> seeds() {
  std::pair<std::uint64_t, std::uint64_t> range{0, effort(1999, 79)};
  if (const char* given = std::getenv("STARLING_SEEDS")) {
    char* rest = nullptr;
    range.first = range.second = std::strtoull(given, &rest, 10);
    if (rest[0] == '.' && rest[1] == '.') range.second = std::strtoull(rest + 2, nullptr, 10);
  }
  return range;
}

}  // namespace

TEST_CASE("adversary: no seed breaks an invariant") {
  const auto [first, last] = seeds();
  std::size_t broken = 0;
  for (std::uint64_t seed = first; seed <= last && broken < 3; ++seed) {
    const Trial trial = play(seed);
    if (!trial.broken) continue;
    ++broken;
    const node::Run run = run_of(seed);
    FAIL_CHECK(trial.plan.describe() << std::string("\n") << *trial.broken << std::string("\n")
                                     << std::string(gossip::name_of(run.config.gossip.algorithm))
                                     << std::string("\n") << trial.events);
  }
}

TEST_CASE("adversary: a seed replays to the last event") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) CHECK(play(seed).trace == play(seed).trace);
}
