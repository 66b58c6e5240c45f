#include "node/mesh_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compress/assembly.h"
#include "gossip/algorithms.h"
#include "gossip/mesh/methods.h"

namespace starling::node {
namespace {

using gossip::AlgorithmKind;
using Pair = std::pair<NodeId, NodeId>;

Error refused(const Run& run, const std::string& what) {
  return {ErrorCode::config, fmt::format("{}: {}", run.config.file.string(), what)};
}

const char* name_of_algorithm(const Run& run) {
  return gossip::name_of(run.config.gossip.algorithm);
}

// "n0 and n2, n1 and n3", the first few of them.
std::string listed_edges(const Run& run, std::span<const Pair> edges) {
  constexpr std::size_t kNamed = 4;
  const auto name = [&](NodeId node) { return run.config.nodes[index_of(node)].name; };
  std::vector<std::string> texts;
  for (const auto& [a, b] : edges.first(std::min(kNamed, edges.size()))) {
    texts.push_back(fmt::format("{} and {}", name(a), name(b)));
  }
  std::string text = fmt::format("{}", fmt::join(texts, ", "));
  if (edges.size() > kNamed) text += fmt::format(" and {} other pairs", edges.size() - kNamed);
  return text;
}

Result<void> check_links(const Run& run) {
  std::vector<Pair> missing;
  for (const NodeId a : run.topology.present()) {
    for (const NodeId b : run.topology.present()) {
      if (a < b && !run.topology.has_edge(a, b)) missing.emplace_back(a, b);
    }
  }
  if (missing.empty()) return {};
  return refused(
      run,
      fmt::format("[gossip] algorithm: found \"{}\", which needs a link between all nodes, but "
                  "[topology] kind = \"{}\" has none between {}; take kind = \"complete\"",
                  name_of_algorithm(run), gossip::name_of(run.config.topology.kind),
                  listed_edges(run, missing)));
}

Result<void> check_operator(const Run& run) {
  if (!compress::goes_by_tensor(run.config.compress)) return {};
  return refused(
      run, fmt::format("[compress]: found {}, which codes tensors, but {} codes shards, which "
                       "are none; take another operator, or scope = \"model\"",
                       compress::describe(run.config.compress), name_of_algorithm(run)));
}

// Mesh specification §5: the sketch has to find the coordinates.
Result<void> check_sketch(const Run& run) {
  if (gossip::traits_of(run.config.gossip.algorithm).coding != gossip::Coding::sketch) return {};
  const compress::OperatorOptions options = operator_of(run.config);
  if (options.keep == 0) {
    return refused(run, fmt::format("[compress] keep: found 0, but {} moves a few coordinates of "
                                    "each shard in a round; set keep to how many, a hundredth of "
                                    "a shard, say",
                                    name_of_algorithm(run)));
  }
  if (options.width >= 4 * options.keep) return {};
  return refused(run, fmt::format("[compress] width: found {}, too few counters to find keep = {} "
                                  "coordinates with; set width to {} or more, or keep to {} or "
                                  "fewer",
                                  options.width, options.keep, std::bit_ceil(4 * options.keep),
                                  options.width / 4));
}

// §3: where data differ Birder stops far from every optimum.
Result<void> check_likeness(const Run& run) {
  const Config& config = run.config;
  if (config.gossip.algorithm != AlgorithmKind::birder || config.gossip.allow_unproven) return {};
  const bool is_made = config.data.kind == train::DataKind::quadratic;
  const bool alike =
      is_made ? config.data.heterogeneity == 0 : config.data.split == train::Split::iid;
  if (alike) return {};
  return refused(
      run,
      fmt::format("[gossip] algorithm: found \"birder\", whose nodes each divide by the size of "
                  "their own gradients, so that it does not converge where their data differ "
                  "as they do here ([data] {}); take econtrol, ef21-sgdm or one-bit-adam, or "
                  "set [gossip] allow_unproven = true",
                  is_made ? "heterogeneity" : "split"));
}

Result<void> check_momentum(const Run& run) {
  const gossip::GossipOptions& options = run.config.gossip;
  if (options.algorithm != AlgorithmKind::ef21_sgdm || options.eta != 0) return {};
  return refused(run,
                 "[gossip] eta: found 0, with which ef21-sgdm never looks at a new gradient; "
                 "expected a number above 0 and up to 1");
}

// Of methods that tell something coded, by an operator of [compress].
Result<void> check_down(const Run& run) {
  const AlgorithmKind kind = run.config.gossip.algorithm;
  const gossip::AlgorithmTraits& traits = gossip::traits_of(kind);
  if (run.config.compress.down.empty()) return {};
  if (run.config.rate.any()) {
    return refused(run,
                   "[compress] down: found an operator beside a budget in [rate], whose levels "
                   "are those of one operator; remove one of them");
  }
  const bool tells = traits.is_mesh() && traits.takes_operator() &&
                     traits.coding != gossip::Coding::sketch && !gossip::tells_the_mean(kind);
  if (tells) return {};
  return refused(run, fmt::format("[compress] down: found an operator for what owners tell, but {} "
                                  "{}; remove it",
                                  name_of_algorithm(run),
                                  traits.is_mesh() ? "tells it as it is" : "has no owners"));
}

// Of which some rounds send vectors as they are, and others nothing.
Result<void> check_budget(const Run& run) {
  const gossip::AlgorithmTraits& traits = gossip::traits_of(run.config.gossip.algorithm);
  if (!run.config.rate.any() || !(traits.takes(gossip::kFreeze) || traits.takes(gossip::kPeriod))) {
    return {};
  }
  return refused(run,
                 fmt::format("[rate]: found a budget, but {} sends vectors as they are in some "
                             "rounds, whatever the budget; take econtrol, ef21-sgdm or "
                             "cd-adam, or no budget",
                             name_of_algorithm(run)));
}

// §8: the others need what every node says, or keep shifts and errors that wait for it.
Result<void> check_participation(const Run& run) {
  const gossip::GossipOptions& options = run.config.gossip;
  const bool is_partial = !options.participation.empty() || options.by_uptime;
  if (!is_partial || gossip::traits_of(options.algorithm).takes(gossip::kParticipation)) return {};
  return refused(run,
                 fmt::format("{}, but {} counts all nodes alike; take dcsgd, diana or dore, or "
                             "remove it",
                             options.by_uptime ? "[gossip] by_uptime: found true"
                                               : "[[node]] participation: found below 1",
                             name_of_algorithm(run)));
}

}  // namespace

Result<void> check_mesh(const Run& run) {
  for (auto* check : {check_participation, check_down}) {
    if (Result<void> checked = check(run); !checked) return checked;
  }
  if (!gossip::traits_of(run.config.gossip.algorithm).is_mesh()) return {};
  for (auto* check :
       {check_links, check_operator, check_sketch, check_likeness, check_momentum, check_budget}) {
    if (Result<void> checked = check(run); !checked) return checked;
  }
  return {};
}

}  // namespace starling::node
