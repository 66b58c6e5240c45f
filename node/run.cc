#include "node/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compress/assembly.h"
#include "gossip/algorithms.h"
#include "gossip/assembly.h"
#include "node/digest.h"

namespace starling::node {
namespace {

std::string describe(const gossip::Topology& topology) {
  std::string edges;
  for (const gossip::Edge& edge : topology.edges()) {
    edges += fmt::format("{}-{} ", index_of(edge.low), index_of(edge.high));
  }
  return fmt::format("{} nodes, {} edges, sha256 {:.16}", topology.nodes(), topology.edges().size(),
                     sha256_of(edges));
}

std::string describe(const gossip::GossipOptions& options) {
  const gossip::AlgorithmTraits& traits = gossip::traits_of(options.algorithm);
  std::string text = traits.name;
  if (traits.takes(gossip::kPowerIteration)) {
    text += fmt::format(" rank={} iterations={}", options.rank, options.iterations);
  }
  if (gossip::mode_of(options) == gossip::Mode::async) {
    text += fmt::format(" mode=async staleness={}", options.staleness);
  } else if (traits.order == gossip::Order::either) {
    text += fmt::format(" overlap={}", options.overlap);
  }
  if (traits.takes(gossip::kRelaxation)) {
    text += fmt::format(" relaxation={:.17g}", options.relaxation);
  }
  for (const auto& [name, value] :
       {std::pair{"gamma", options.gamma}, std::pair{"zeta", options.zeta},
        std::pair{"alpha", options.alpha}, std::pair{"rho", options.rho}}) {
    if (value) text += fmt::format(" {}={:.10g}", name, *value);
  }
  return text;
}

// Long layouts are shortened to their digest, so that a Hello stays below its limit.
std::string describe(const TensorLayout& layout) {
  std::string text = layout.describe();
  constexpr std::size_t kLongest = 400;
  if (text.size() <= kLongest) return text;
  return fmt::format("{} tensors, {} floats, sha256 {:.16}", layout.tensors().size(), layout.size(),
                     sha256_of(text));
}

TensorLayout layout_of(const Run& run) {
  return train::make_trainer(run.problem, node_id(0))->layout();
}

Result<std::unique_ptr<compress::Compressor>> compressor_of(const Config& config,
                                                            const TensorLayout& layout) {
  return compress::make_compressor(operator_of(config), layout, config.run.seed);
}

// powergossip has its factors in place of messages of an operator.
bool sends_factors(const Config& config) {
  return gossip::traits_of(config.gossip.algorithm).coding == gossip::Coding::own;
}

// Whether messages of the operator of [compress] are sent.
bool takes_operator(const Config& config) {
  const gossip::Coding coding = gossip::traits_of(config.gossip.algorithm).coding;
  return coding != gossip::Coding::own && coding != gossip::Coding::raw;
}

Error unproven(const Config& config, const std::string& what) {
  return {ErrorCode::config,
          fmt::format("{}: {}, or set [gossip] allow_unproven = true", config.file.string(), what)};
}

Result<void> check_operator(const Run& run) {
  const Config& config = run.config;
  if (sends_factors(config)) return {};
  const TensorLayout layout = layout_of(run);
  const auto made = compressor_of(config, layout);
  if (!made) {
    return Error{made.error().code,
                 fmt::format("{}: [compress] {}", config.file.string(), made.error().message)};
  }
  const compress::Contract contract = (*made)->contract(layout.size());
  const auto why = gossip::objection(config.gossip.algorithm, contract);
  if (!why || config.gossip.allow_unproven) return {};
  return unproven(config, fmt::format("[compress] operator: found {} ({}), but {}",
                                      compress::describe(operator_of(config)),
                                      compress::describe(contract), *why));
}

Result<void> check_mode(const Config& config) {
  const auto why = gossip::objection(config.gossip);
  if (!why) return {};
  return Error{ErrorCode::config,
               fmt::format("{}: [gossip] mode: found \"{}\", but {}", config.file.string(),
                           gossip::name_of(gossip::mode_of(config.gossip)), *why)};
}

Result<void> check_graph(const Run& run) {
  const auto why = gossip::objection(run.config.gossip.algorithm, run.topology);
  if (!why || run.config.gossip.allow_unproven) return {};
  return unproven(run.config, fmt::format("[gossip] algorithm: {}", *why));
}

// The algorithm's options as they are used, with what follows from operator and graph.
gossip::GossipOptions effective_options(const Run& run) {
  const TensorLayout layout = layout_of(run);
  std::unique_ptr<compress::Compressor> compressor;
  if (takes_operator(run.config)) compressor = compressor_of(run.config, layout).value();
  const gossip::GossipOptions& options = run.config.gossip;
  return gossip::with_defaults(options, gossip::coding_contract(options, layout, compressor.get()));
}

Result<Run> checked(Run run) {
  if (Result<void> mode = check_mode(run.config); !mode) return mode.error();
  if (Result<void> graph = check_graph(run); !graph) return graph.error();
  if (Result<void> op = check_operator(run); !op) return op.error();
  return run;
}

}  // namespace

Result<Run> load_run(Config config) {
  auto topology = gossip::Topology::make(config.topology, config.run.seed);
  if (!topology) return topology.error();
  auto problem = train::load_problem({.data = config.data,
                                      .model = config.model,
                                      .train = config.train,
                                      .seed = config.run.seed,
                                      .rounds = config.run.rounds},
                                     config.nodes.size());
  if (!problem) return problem.error();
  return checked({std::move(config), std::move(*topology), std::move(*problem)});
}

Result<Run> with_config(const Run& run, Config config) {
  return checked({std::move(config), run.topology, run.problem});
}

std::unique_ptr<Core> make_core(const Run& run, NodeId self) {
  std::unique_ptr<train::Trainer> trainer = train::make_trainer(run.problem, self);
  std::vector<float> start(trainer->layout().size());
  trainer->initialize(start);
  // load_run has made it once.
  std::unique_ptr<compress::Compressor> compressor;
  if (takes_operator(run.config)) {
    compressor = compressor_of(run.config, trainer->layout()).value();
  }
  auto algorithm = gossip::make_algorithm(run.config.gossip, {.topology = run.topology,
                                                              .layout = trainer->layout(),
                                                              .start = start,
                                                              .common = start,
                                                              .self = self,
                                                              .seed = run.config.run.seed,
                                                              .compressor = std::move(compressor),
                                                              .rounds = run.config.run.rounds});
  CoreOptions options{.rounds = run.config.run.rounds,
                      .evaluate_every = run.config.run.evaluate_every,
                      .partners = gossip::partners(run.config.gossip, run.topology, self)};
  return std::make_unique<Core>(std::move(options), std::move(trainer), std::move(algorithm));
}

std::string operator_summary(const Run& run) {
  const compress::OperatorOptions options = operator_of(run.config);
  const TensorLayout layout = layout_of(run);
  if (!sends_factors(run.config)) return compress::summary(options, layout);
  std::vector<std::string> raw;
  for (const Tensor& t : layout.tensors()) {
    if (!t.is_matrix() && t.size() > 0) raw.push_back(t.name);
  }
  return fmt::format("operator {}: one factor of each matrix a message{}{}",
                     compress::describe(options),
                     raw.empty() ? "" : "; raw: ", fmt::join(raw, ", "));
}

std::string algorithm_summary(const Run& run) { return describe(effective_options(run)); }

Fingerprint fingerprint_of(const Run& run) {
  const Config& c = run.config;
  return {{"run", c.run.name},
          {"seed", fmt::format("{}", c.run.seed)},
          {"topology", describe(run.topology)},
          {"model", describe(layout_of(run))},
          {"algorithm", describe(effective_options(run))},
          {"compressor", compress::describe(operator_of(c))}};
}

}  // namespace starling::node
