// [rate]: budgets, and the whole sentence that answers what is none.
#include <doctest/doctest.h>

#include "compress/rated.h"
#include "node/coding.h"
#include "node/run.h"
#include "refusals.h"

namespace starling::node {
namespace {

using compress::RateController;
using compress::RateOptions;

const std::string kChoco = "[gossip]\nalgorithm = \"choco\"\n";
const std::string kTopK = kChoco + "[compress]\noperator = \"top-k\"\nratio = 0.1\n";

RateOptions read(const std::string& text) {
  const auto config = parse_config("[rate]\n" + text + kTopK + kAll, "run.toml", "base", {});
  if (!config) FAIL(config.error().message);
  return config->rate;
}

Result<Run> run_of(const std::string& text, const std::string& kind = "ring") {
  auto config = parse_config(text + "[topology]\nkind = \"" + kind +
                                 "\"\nnodes = 4\n[data]\nkind = \"quadratic\"\ndimension = 200\n"
                                 "[model]\nkind = \"quadratic\"\n",
                             "run.toml", "base", {});
  if (!config) return config.error();
  return load_run(std::move(*config));
}

std::string refusal(const std::string& text, const std::string& kind = "ring") {
  const auto run = run_of(text, kind);
  REQUIRE_FALSE(run.ok());
  CHECK(run.error().code == ErrorCode::config);
  return run.error().message;
}

TEST_CASE("rate: every key arrives in its field") {
  CHECK(read("") == RateOptions());
  CHECK_FALSE(read("").any());
  CHECK(read("bytes_per_round = 20000\n") == RateOptions{.bytes_per_round = 20000});
  CHECK(read("bytes_per_round = \"20 KiB\"\ncontroller = \"drift\"\npatience = 30\n") ==
        RateOptions{.bytes_per_round = 20480, .controller = RateController::drift, .patience = 30});
  CHECK(read("seconds_per_round = 0.5\n") == RateOptions{.seconds_per_round = 0.5});
  CHECK(read("bytes_per_day = \"2 GiB\"\n") ==
        RateOptions{.bytes_per_day = std::uint64_t{2} << 30});
  CHECK_FALSE(read("bytes_per_day = \"0\"\n").any());
}

TEST_CASE("rate refuses what is no budget, or does not go together") {
  const std::string rest = kTopK + kAll;
  check_refusals({
      {"[rate]\nseconds_per_round = 0\n" + rest,
       "run.toml:2:21: [rate] seconds_per_round: found 0, expected a number above 0 and at most "
       "86400"},
      {"[rate]\nbytes_per_round = -1\n" + rest,
       "run.toml:2:19: [rate] bytes_per_round: found -1, expected a size as \"512 MiB\" or \"2 "
       "GiB\" (B, KiB, MiB, GiB, TiB), or \"0\""},
      {"[rate]\nbytes_per_rond = 1\n" + rest,
       "run.toml:2:1: [rate] bytes_per_rond: unknown key; did you mean 'bytes_per_round'?"},
      {"[rate]\ncontroller = \"drfit\"\n" + rest,
       "run.toml:2:14: [rate] controller: found \"drfit\", expected one of \"adaptive-top-k\", "
       "\"drift\", \"layers\"; did you mean \"drift\"?"},
      {"[rate]\ncontroller = \"drift\"\n" + rest,
       "run.toml:2:14: [rate] controller: found a key without a budget, expected bytes_per_round, "
       "seconds_per_round or bytes_per_day beside it"},
      {"[rate]\nbytes_per_round = 9000\nseconds_per_round = 1\n" + rest,
       "run.toml:3:21: [rate] seconds_per_round: found a second budget, expected one of "
       "bytes_per_round, seconds_per_round and bytes_per_day"},
      {"[rate]\nbytes_per_round = 9000\npatience = 20\n" + rest,
       "run.toml:3:12: [rate] patience: found a key of controller \"drift\", but the controller is "
       "\"adaptive-top-k\""},
      {"[rate]\nbytes_per_round = 9000\n" + kAll,
       "run.toml:1:2: [rate]: found a budget, but powergossip (in [gossip] algorithm) sends no "
       "messages of an operator, whose level would follow it; take choco, def-atc or another that "
       "does"},
      {"[rate]\nbytes_per_round = 9000\n" + kChoco + "[compress]\noperator = \"sign\"\n" + kAll,
       "run.toml:6:12: [compress] operator: found sign norm=l1 bucket=4096 scope=model, but [rate] "
       "takes \"top-k\" with a ratio below 0.22, or \"quantize\" with 2 or 4 bits, and sends more "
       "where the budget allows"},
      {"[rate]\nbytes_per_round = 9000\ncontroller = \"adaptive-top-k\"\n" + kChoco +
           "[compress]\noperator = \"quantize\"\n" + kAll,
       "run.toml:3:14: [rate] controller: found \"adaptive-top-k\", but [compress] operator is "
       "\"quantize\"; take \"drift\", or operator = \"top-k\""},
      {"[rate]\nbytes_per_round = 9000\ncontroller = \"layers\"\n" + rest,
       "run.toml:3:14: [rate] controller: found \"layers\", which needs a message a tensor; set "
       "[compress] scope = \"tensor\", or take \"drift\""},
  });
}

// 64 bytes of frame, 32 of level, 32 of operator, 20 entries of 4 bytes and their indices.
TEST_CASE("rate: a budget that the lowest level does not meet is refused with the least that is") {
  CHECK(refusal("[rate]\nbytes_per_round = 200\n" + kTopK) ==
        "run.toml:2:19: [rate] bytes_per_round: found 200, expected at least 221: a round of choco "
        "sends up to 221 bytes over a link at the lowest level, top-k ratio=0.1 values=float32 "
        "scope=model; raise the budget, or lower [compress] ratio");
  CHECK(run_of("[rate]\nbytes_per_round = 221\n" + kTopK).ok());
  // Two exchanges a round.
  CHECK(refusal("[rate]\nbytes_per_day = 400\n[gossip]\nalgorithm = \"beer\"\n[compress]\n"
                "operator = \"top-k\"\nratio = 0.1\n")
            .find("expected at least 442: a round of beer") != std::string::npos);
  // A mesh whose owners tell the mean of 50 floats as it is.
  CHECK(refusal("[rate]\nbytes_per_round = 200\n[gossip]\nalgorithm = \"ef-sgd\"\n[compress]\n"
                "operator = \"top-k\"\nratio = 0.1\n",
                "complete")
            .find("a round of ef-sgd sends up to 460") != std::string::npos);
  CHECK(refusal("[rate]\nseconds_per_round = 0.01\n[limits]\nneighbor_max_send = \"64kbit\"\n" +
                kTopK)
            .find("found 0.01, expected at least 0.0276 at [limits] neighbor_max_send = "
                  "\"64kbit\": a round of choco") != std::string::npos);
}

TEST_CASE("rate: budgets may differ from node to node, levels may not") {
  const auto without = run_of(kTopK), with = run_of("[rate]\nbytes_per_round = 500\n" + kTopK),
             more = run_of("[rate]\nseconds_per_round = 3\ncontroller = \"drift\"\n" + kTopK);
  REQUIRE(without.ok());
  REQUIRE(with.ok());
  REQUIRE(more.ok());
  CHECK(fingerprint_of(*with) == fingerprint_of(*more));
  CHECK(fingerprint_of(*with) != fingerprint_of(*without));
  CHECK(
      operator_summary(*with).ends_with("; the lowest of the levels for a budget of 500 bytes a "
                                        "round"));
}

TEST_CASE("rate: the contract is that of the lowest level") {
  const auto run = run_of("[rate]\nbytes_per_round = 500\n" + kTopK);
  REQUIRE(run.ok());
  TensorLayout layout;
  layout.add("x", {200});
  const Coding coding = coding_of(*run, layout, 2);
  CHECK(coding.first->contract(200) == compressor_of(*run, layout).value()->contract(200));
  CHECK(coding.first->encoded_bytes_max(200) > 200);
}

}  // namespace
}  // namespace starling::node
