// Runs for simulations, from the words of a run file.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gossip/algorithms.h"
#include "node/config.h"
#include "node/run.h"
#include "sim/simulation.h"

namespace starling::sim::test {

inline node::Run make_run(const std::string& text, const std::vector<std::string>& overrides) {
  auto config = node::parse_config(text, "run.toml", ".", overrides);
  if (!config) FAIL(config.error().message);
  auto run = node::load_run(std::move(*config));
  if (!run) FAIL(run.error().message);
  return std::move(*run);
}

// Strongly heterogeneous quadratic with constant steps: specification §0, QUAD. Its start model is
// 0, and a message of D-PSGD weighs kDenseMessage bytes. A [topology] is to follow.
inline const std::string kQuadratic = R"(
[run]
rounds = 100
evaluate_every = 0
[data]
kind = "quadratic"
dimension = 20
condition = 10
heterogeneity = 2
[model]
kind = "quadratic"
[train]
batch = 0
learning_rate = 0.01
[gossip]
algorithm = "d-psgd"
)";
// On the ring of 8.
inline node::Run quadratic(const std::vector<std::string>& overrides = {}) {
  return make_run(kQuadratic + "[topology]\nkind = \"ring\"\nnodes = 8\n", overrides);
}
inline constexpr std::uint64_t kDenseMessage = 64 + 20 * 4;

// Real digits on a ring of 4, each node with few of the labels.
inline node::Run digits(const std::vector<std::string>& overrides = {}) {
  return make_run(R"(
[run]
rounds = 60
evaluate_every = 0
[topology]
kind = "ring"
nodes = 4
[data]
kind = "optdigits"
path = ")" STARLING_SOURCE_DIR R"(/data/uci-optdigits"
split = "dirichlet"
alpha = 0.3
[model]
kind = "mlp"
hidden = [32]
[train]
batch = 32
learning_rate = 0.1
momentum = 0.9
[gossip]
algorithm = "powergossip"
rank = 1
iterations = 2
)",
                  overrides);
}

// The same digits and softmax regression.
inline node::Run softmax(const std::vector<std::string>& overrides = {}) {
  std::vector<std::string> words = {"model.kind=softmax"};
  words.insert(words.end(), overrides.begin(), overrides.end());
  return digits(words);
}

// The algorithm with an operator that its theory admits, and settings with which short runs get
// past what it begins with.
inline std::vector<std::string> words_of(const gossip::AlgorithmTraits& traits) {
  using gossip::Coding;
  std::vector<std::string> words = {std::string("gossip.algorithm=") + traits.name};
  const auto add = [&](std::initializer_list<std::string> more) {
    words.insert(words.end(), more);
  };
  switch (traits.coding) {
    case Coding::unbiased: add({"compress.operator=quantize", "compress.bits=8"}); break;
    case Coding::sketch:
      add({"compress.operator=count-sketch", "compress.rows=1", "compress.width=32",
           "compress.keep=8"});
      break;
    case Coding::contractive:
    case Coding::any: add({"compress.operator=top-k", "compress.ratio=0.25"}); break;
    case Coding::raw:
    case Coding::own: break;
  }
  if (traits.takes(gossip::kModulo)) add({"gossip.theta=100"});
  if (traits.takes(gossip::kFreeze)) add({"gossip.freeze=20"});
  if (traits.takes(gossip::kPeriod)) add({"gossip.period=4"});
  if (traits.kind == gossip::AlgorithmKind::birder) add({"gossip.allow_unproven=true"});
  return words;
}

inline node::RunReport simulate(const node::Run& run, const SimulationOptions& options = {}) {
  Simulation simulation(run, options);
  simulation.run();
  return simulation.report();
}

inline std::vector<std::string> hashes(const node::RunReport& report) {
  std::vector<std::string> all;
  for (const node::NodeReport& node : report.nodes) all.push_back(node.parameters_sha256);
  return all;
}

}  // namespace starling::sim::test
