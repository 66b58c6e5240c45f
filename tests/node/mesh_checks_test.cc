// What a mesh needs of a run, and says where it is not there.
#include "node/mesh_checks.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace starling;
using namespace starling::node;

namespace {

// Eight nodes with 400 parameters, in shards of 50.
Result<Run> run_with(const std::string& algorithm, std::vector<std::string> more) {
  more.push_back("gossip.algorithm=" + algorithm);
  auto config = parse_config(
      "[topology]\nkind = \"complete\"\nnodes = 8\n[data]\nkind = \"quadratic\"\ndimension = 400\n"
      "[model]\nkind = \"quadratic\"\n",
      "run.toml", "base", more);
  if (!config) return config.error();
  return load_run(std::move(*config));
}

std::string refusal(const std::string& algorithm, std::vector<std::string> more) {
  const auto run = run_with(algorithm, std::move(more));
  return run.ok() ? std::string() : run.error().message;
}

std::vector<std::string> sketch(int width, int keep) {
  return {"compress.operator=count-sketch", "compress.rows=1",
          fmt::format("compress.width={}", width), fmt::format("compress.keep={}", keep)};
}

}  // namespace

TEST_CASE("mesh checks: a graph without some links, which are named") {
  CHECK(refusal("econtrol", {"topology.kind=ring", "topology.nodes=4"}) ==
        "run.toml: [gossip] algorithm: found \"econtrol\", which needs a link between all nodes, "
        "but [topology] kind = \"ring\" has none between n0 and n2, n1 and n3; take kind = "
        "\"complete\"");
}

TEST_CASE("mesh checks: a sketch that cannot find what it is to find") {
  CHECK(refusal("sketched-amsgrad", sketch(32, 8)).empty());
  CHECK(refusal("sketched-amsgrad", sketch(32, 0)) ==
        "run.toml: [compress] keep: found 0, but sketched-amsgrad moves a few coordinates of each "
        "shard in a round; set keep to how many, a hundredth of a shard, say");
  CHECK(refusal("sketched-amsgrad", sketch(32, 9)) ==
        "run.toml: [compress] width: found 32, too few counters to find keep = 9 coordinates with; "
        "set width to 64 or more, or keep to 8 or fewer");
  CHECK(refusal("sketched-amsgrad", {"compress.operator=top-k"}) ==
        "--set compress.operator=top-k: [compress] operator: found \"top-k\", but sketched-amsgrad "
        "(in [gossip] algorithm) takes \"count-sketch\"; set that, or \"auto\"");
}

TEST_CASE("mesh checks: Birder where data differ") {
  CHECK(refusal("birder", {"data.heterogeneity=0"}).empty());
  CHECK(refusal("birder", {"gossip.allow_unproven=true"}).empty());
  CHECK(refusal("birder", {}) ==
        "run.toml: [gossip] algorithm: found \"birder\", whose nodes each divide by the size of "
        "their own gradients, so that it does not converge where their data differ as they do here "
        "([data] heterogeneity); take econtrol, ef21-sgdm or one-bit-adam, or set [gossip] "
        "allow_unproven = true");
}

TEST_CASE("mesh checks: what other methods know and this one does not") {
  CHECK(refusal("ef21-sgdm", {"gossip.eta=0"}) ==
        "run.toml: [gossip] eta: found 0, with which ef21-sgdm never looks at a new gradient; "
        "expected a number above 0 and up to 1");
  CHECK(refusal("econtrol", {"gossip.eta=0"}).empty());
  CHECK(
      refusal("econtrol", {"gossip.by_uptime=true"}) ==
      "run.toml: [gossip] by_uptime: found true, but econtrol counts all nodes alike; take dcsgd, "
      "diana or dore, or remove it");
  CHECK(refusal("dcsgd", {"gossip.by_uptime=true"}).empty());
  CHECK(refusal("d-psgd", {"gossip.by_uptime=true"}).find("d-psgd counts all nodes alike") !=
        std::string::npos);
}

TEST_CASE("mesh checks: an operator for what owners tell, where they tell something coded") {
  const std::vector<std::string> down = {"compress.operator=sign", "compress.bucket=0",
                                         "compress.down={operator=\"quantize\",bits=4}"};
  const auto taken = run_with("econtrol", down);
  if (!taken.ok()) FAIL(taken.error().message);
  CHECK(compress::describe(operator_of(taken->config)) ==
        "sign norm=l1 bucket=0 scope=model down=(quantize bits=4 bucket=512 norm=linf "
        "rounding=stochastic)");
  CHECK(
      refusal("ef21", down) ==
      "run.toml: [compress] down: found an operator for what owners tell, but ef21 tells it as it "
      "is; remove it");
  CHECK(refusal("choco", down).find("but choco has no owners; remove it") != std::string::npos);
  CHECK(refusal("econtrol", {"compress.operator=sign", "compress.bucket=0",
                             "compress.down={operator=\"quantize\",bits=3}"})
            .find("[compress] down.bits: found 3, expected 2, 4 or 8") != std::string::npos);
}

TEST_CASE("mesh checks: a budget for methods that send vectors as they are in some rounds") {
  for (const char* algorithm : {"one-bit-adam", "zero-one-adam", "liec-sgd"}) {
    CHECK(refusal(algorithm,
                  {"compress.operator=top-k", "compress.ratio=0.1", "rate.bytes_per_round=1000"})
              .find("[rate]: found a budget, but ") != std::string::npos);
  }
}
