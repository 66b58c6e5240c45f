// Runs of a mesh on the quadratic of runs.h, for simulations.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gossip/algorithms.h"
#include "tests/sim/runs.h"
#include "train/problem.h"

namespace starling::sim::test {

inline std::vector<const gossip::AlgorithmTraits*> mesh_methods() {
  std::vector<const gossip::AlgorithmTraits*> all;
  for (const gossip::AlgorithmTraits& traits : gossip::all_algorithms()) {
    if (traits.is_mesh()) all.push_back(&traits);
  }
  return all;
}

inline const gossip::AlgorithmTraits& mesh_method(std::string_view name) {
  const auto all = mesh_methods();
  return **std::ranges::find(all, name, [](const auto* t) { return std::string_view(t->name); });
}

// On listed nodes, all with all.
inline node::Run mesh_run(const gossip::AlgorithmTraits& traits, Round rounds, std::size_t nodes,
                          std::optional<std::size_t> left = std::nullopt,
                          const std::vector<std::string>& more = {}) {
  std::string text = kQuadratic + "[topology]\nkind = \"complete\"\n";
  for (std::size_t i = 0; i < nodes; ++i) {
    text += fmt::format("[[node]]\nname = \"n{}\"\naddress = \"127.0.0.1:{}\"\nleft = {}\n", i,
                        7700 + i, left == i);
  }
  std::vector<std::string> words = words_of(traits);
  words.insert(words.end(), {fmt::format("run.rounds={}", rounds), "data.dimension=320",
                             "train.learning_rate=0.02"});
  words.insert(words.end(), more.begin(), more.end());
  return make_run(text, words);
}

inline const SimulationOptions kCalm{.link = {.delay = std::chrono::microseconds{500}},
                                     .step = std::chrono::milliseconds{1}};

// Of those that take part in `run`, from the optimum of those.
inline double worst_error(const node::Run& run, const Simulation& simulation) {
  double worst = 0;
  for (const NodeId node : run.topology.present()) {
    worst = std::max(worst, run.problem->quadratic->relative_error(simulation.model(node)));
  }
  return worst;
}

}  // namespace starling::sim::test
