#include "node/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compress/assembly.h"
#include "gossip/algorithms.h"
#include "gossip/assembly.h"
#include "gossip/clipping.h"
#include "node/coding.h"
#include "node/digest.h"
#include "node/mesh_checks.h"

namespace starling::node {
namespace {

std::string describe(const gossip::Topology& topology) {
  std::string edges;
  for (const gossip::Edge& edge : topology.edges()) {
    edges += fmt::format("{}-{} ", index_of(edge.low), index_of(edge.high));
  }
  for (const gossip::Way& way : topology.ways()) {
    edges += fmt::format("{}>{}@{} ", index_of(way.from), index_of(way.to), way.turn);
  }
  // Who has left still has a share of the data.
  const std::string nodes =
      topology.present().size() == topology.nodes()
          ? fmt::format("{} nodes", topology.nodes())
          : fmt::format("{} of {} nodes", topology.present().size(), topology.nodes());
  return fmt::format("{}, {} edges, sha256 {:.16}", nodes, topology.edges().size(),
                     sha256_of(edges));
}

// The graph of the config among those who are not away.
Result<gossip::Topology> topology_of(const Config& config, const Membership& membership) {
  gossip::TopologyOptions options = config.topology;
  for (const NodeId node : membership.away()) options.left.push_back(index_of(node));
  std::ranges::sort(options.left);
  const auto twice = std::ranges::unique(options.left);
  options.left.erase(twice.begin(), twice.end());
  return gossip::Topology::make(options, config.run.seed);
}

// The same whoever is away.
std::string describe_graph(const Run& run) {
  if (run.membership.away().empty()) return describe(run.topology);
  return describe(topology_of(run.config, {}).value());
}

// Whoever has been away in between has moved the shards twice.
std::uint64_t graph_hash(const Run& run) {
  const std::string text = describe(run.topology) + run.membership.text();
  return hash_of(std::as_bytes(std::span(text)));
}

// `optimal`: the relaxation follows from the graph.
std::string describe(const gossip::GossipOptions& options, bool optimal) {
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
    text +=
        optimal ? " relaxation=optimal" : fmt::format(" relaxation={:.17g}", options.relaxation);
  }
  if (traits.takes(gossip::kModulo)) {
    text += fmt::format(" theta={:.17g} bits={}", options.theta, options.bits);
  }
  if (traits.takes(gossip::kPeriod)) text += fmt::format(" period={}", options.period);
  if (traits.takes(gossip::kFreeze)) text += fmt::format(" freeze={}", options.freeze);
  if (traits.takes(gossip::kRepeats)) text += fmt::format(" repeats={}", options.repeats);
  if (traits.takes(gossip::kOuter)) {
    text += fmt::format(" outer_rate={:.10g} outer_momentum={:.10g}", options.outer_rate,
                        options.outer_momentum);
  }
  if (traits.takes(gossip::kFragments)) {
    text += fmt::format(" fragments={} blend={:.10g}", options.fragments, options.blend);
  }
  if (!options.participation.empty()) {
    text += fmt::format(" participation={}", fmt::join(options.participation, ","));
  }
  if (options.by_uptime) text += " by_uptime=true";
  if (gossip::solves_local_problem(options)) text += " exact_step=true";
  if (options.clip) text += " clip=true";
  for (const auto& [name, value] :
       {std::pair{"gamma", options.gamma}, std::pair{"zeta", options.zeta},
        std::pair{"alpha", options.alpha}, std::pair{"beta", options.beta},
        std::pair{"rho", options.rho}, std::pair{"eta", options.eta}}) {
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

// Factors, bits or codes in place of messages of an operator.
bool codes_itself(const Config& config) {
  return gossip::traits_of(config.gossip.algorithm).coding == gossip::Coding::own;
}

Error unproven(const Config& config, const std::string& what) {
  return {ErrorCode::config,
          fmt::format("{}: {}, or set [gossip] allow_unproven = true", config.file.string(), what)};
}

Result<void> check_operator(const Run& run) {
  const Config& config = run.config;
  if (codes_itself(config)) return {};
  const TensorLayout layout = layout_of(run);
  const auto made = compressor_of(run, layout);
  if (!made) {
    return Error{made.error().code,
                 fmt::format("{}: [compress] {}", config.file.string(), made.error().message)};
  }
  const compress::OperatorOptions options = operator_of(config);
  const auto objection = [&](const compress::Compressor& c, const char* key,
                             const compress::OperatorOptions& of) -> Result<void> {
    const compress::Contract contract = c.contract(coded_layout(run, layout).size());
    const auto why = gossip::objection(config.gossip.algorithm, contract);
    if (!why || config.gossip.allow_unproven) return {};
    return unproven(config,
                    fmt::format("[compress] {}: found {} ({}), but {}", key, compress::describe(of),
                                compress::describe(contract), *why));
  };
  const Result<void> admitted = objection(**made, "operator", options);
  if (!admitted || options.down.empty()) return admitted;
  const auto down = down_compressor_of(run, layout);
  if (!down) {
    return Error{down.error().code, fmt::format("{}: [compress] down: {}", config.file.string(),
                                                down.error().message)};
  }
  return objection(**down, "down", options.down.front());
}

Result<void> check_mode(const Config& config) {
  const auto why = gossip::objection(config.gossip);
  if (!why) return {};
  return Error{ErrorCode::config,
               fmt::format("{}: [gossip] mode: found \"{}\", but {}", config.file.string(),
                           gossip::name_of(gossip::mode_of(config.gossip)), *why)};
}

Result<void> check_clipping(const Config& config) {
  if (!config.gossip.clip) return {};
  const auto why = gossip::objection_to_clipping(config.gossip.algorithm);
  if (!why) return {};
  return Error{ErrorCode::config,
               fmt::format("{}: [robust] clip: found true, but {}; take d-psgd, ad-psgd, choco, "
                           "def-atc or actc, or clip = false",
                           place_of(config, "robust", "clip"), *why)};
}

Result<void> check_graph(const Run& run) {
  const gossip::AlgorithmKind algorithm = run.config.gossip.algorithm;
  if (run.topology.is_directed() && !gossip::takes_directed(algorithm)) {
    return Error{
        ErrorCode::config,
        fmt::format("{}: [gossip] algorithm: found \"{}\", which needs weights that are the "
                    "same in both directions, but [topology] kind = \"{}\" is directed; take "
                    "\"sgp\", or a graph without directions",
                    run.config.file.string(), gossip::name_of(algorithm),
                    gossip::name_of(run.config.topology.kind))};
  }
  const auto why = gossip::objection(algorithm, run.topology);
  if (!why || run.config.gossip.allow_unproven) return {};
  return unproven(run.config, fmt::format("[gossip] algorithm: {}", *why));
}

Result<void> check_local_problem(const Run& run) {
  if (!gossip::solves_local_problem(run.config.gossip)) return {};
  const auto trainer = train::make_trainer(run.problem, node_id(0));
  std::vector<float> start(trainer->layout().size()), update(start.size());
  trainer->initialize(start);
  if (trainer->solve(start, std::vector<float>(start.size()), update)) return {};
  return Error{
      ErrorCode::config,
      fmt::format("{}: [gossip] exact_step: found true, but \"{}\" has no minimum in closed "
                  "form; take quadratic data without noise, or exact_step = false, which is "
                  "one gradient step",
                  run.config.file.string(), trainer->describe())};
}

// The algorithm's options as they are used, with what follows from operator and graph.
gossip::GossipOptions effective_options(const Run& run) {
  const TensorLayout layout = layout_of(run);
  std::unique_ptr<compress::Compressor> compressor;
  if (takes_operator(run.config)) compressor = compressor_of(run, layout).value();
  const gossip::GossipOptions& options = run.config.gossip;
  return gossip::with_defaults(
      options, gossip::coding_contract(options, coded_layout(run, layout), compressor.get()));
}

Result<std::shared_ptr<const train::Problem>> load_problem(const Config& config) {
  return train::load_problem({.data = config.data,
                              .model = config.model,
                              .train = config.train,
                              .seed = config.run.seed,
                              .rounds = config.run.rounds},
                             config.nodes.size(), config.topology.left);
}

Result<Run> checked(Run run) {
  if (Result<void> mode = check_mode(run.config); !mode) return mode.error();
  if (Result<void> clip = check_clipping(run.config); !clip) return clip.error();
  if (Result<void> graph = check_graph(run); !graph) return graph.error();
  if (Result<void> mesh = check_mesh(run); !mesh) return mesh.error();
  if (Result<void> op = check_operator(run); !op) return op.error();
  if (Result<void> rate = check_rate(run, layout_of(run)); !rate) return rate.error();
  if (Result<void> local = check_local_problem(run); !local) return local.error();
  return run;
}

}  // namespace

Result<Run> load_run(Config config) {
  auto topology = topology_of(config, {});
  if (!topology) return topology.error();
  auto problem = load_problem(config);
  if (!problem) return problem.error();
  return checked({std::move(config), std::move(*topology), std::move(*problem)});
}

Result<Run> with_config(const Run& run, Config config) {
  return checked({std::move(config), run.topology, run.problem, run.membership});
}

Result<Run> with_graph(const Run& run, Config config) {
  const bool same_shares = config.nodes.size() == run.config.nodes.size() &&
                           config.topology.left == run.config.topology.left;
  auto topology = topology_of(config, run.membership);
  if (!topology) return topology.error();
  auto problem = same_shares ? Result(run.problem) : load_problem(config);
  if (!problem) return problem.error();
  return checked({std::move(config), std::move(*topology), std::move(*problem), run.membership});
}

Result<Run> with_membership(const Run& run, Membership membership) {
  auto topology = topology_of(run.config, membership);
  if (!topology) return topology.error();
  return checked({run.config, std::move(*topology), run.problem, std::move(membership)});
}

void save_membership(const Run& run, Archive& archive) {
  Membership membership = run.membership;
  membership.archive(archive, run.config.nodes.size());
}

Run with_saved_membership(const Run& run, Archive& archive) {
  Membership membership;
  membership.archive(archive, run.config.nodes.size());
  Result<Run> among = with_membership(run, std::move(membership));
  if (among) return std::move(*among);
  archive.refuse(among.error().message);
  return run;
}

std::unique_ptr<Core> make_core(const Run& run, NodeId self, CheckpointPlan checkpoints) {
  return make_core(run, self, checkpoints, train::make_trainer(run.problem, self));
}

std::unique_ptr<Core> make_core(const Run& run, NodeId self, CheckpointPlan checkpoints,
                                std::unique_ptr<train::Trainer> trainer) {
  std::vector<float> start(trainer->layout().size());
  trainer->initialize(start);
  // load_run has made it once.
  const std::vector<NodeId> partners = gossip::partners(run.config.gossip, run.topology, self);
  Coding coding;
  if (takes_operator(run.config)) coding = coding_of(run, trainer->layout(), partners.size());
  auto algorithm = gossip::make_algorithm(
      run.config.gossip,
      {.topology = run.topology,
       .layout = trainer->layout(),
       .start = start,
       .common = {start.size(), [&t = *trainer](std::span<float> x) { t.initialize(x); }},
       .self = self,
       .seed = run.config.run.seed,
       .compressor = std::move(coding.first),
       .second = std::move(coding.second),
       .rounds = run.config.run.rounds,
       .budget = std::move(coding.budget)});
  CoreOptions options{
      .rounds = run.config.run.rounds,
      .evaluate_every = run.config.run.evaluate_every,
      .partners = partners,
      .graph = graph_hash(run),
      .checkpoints = checkpoints,
      // One that was away has no shard to begin with.
      .fetches_model = run.config.run.join == Join::neighbor || run.membership.number(self) > 0};
  if (is_mesh(run.config)) {
    const std::chrono::duration<double> wait(run.config.run.hand_over_seconds);
    options.absent_after = std::chrono::duration_cast<Duration>(wait);
    options.flock = run.config.nodes.size() - run.config.topology.left.size();
  }
  return std::make_unique<Core>(std::move(options), std::move(trainer), std::move(algorithm));
}

std::string operator_summary(const Run& run) {
  const compress::OperatorOptions options = operator_of(run.config);
  const TensorLayout layout = layout_of(run);
  if (!codes_itself(run.config)) {
    const std::string summary = compress::summary(options, coded_layout(run, layout));
    if (!follows_budget(run.config)) return summary;
    return fmt::format("{}; the lowest of the levels for a budget of {}", summary,
                       rate_in_words(run.config.rate));
  }
  const gossip::GossipOptions& gossip = run.config.gossip;
  if (!gossip::traits_of(gossip.algorithm).takes(gossip::kPowerIteration)) {
    const bool modulo = gossip::traits_of(gossip.algorithm).takes(gossip::kModulo);
    return fmt::format("operator {}: {} a coordinate", compress::name_of(options.kind),
                       modulo ? fmt::format("{} bits", gossip.bits) : "one bit");
  }
  std::vector<std::string> raw;
  for (const Tensor& t : layout.tensors()) {
    if (!t.is_matrix() && t.size() > 0) raw.push_back(t.name);
  }
  return fmt::format("operator {}: one factor of each matrix a message{}{}",
                     compress::describe(options),
                     raw.empty() ? "" : "; raw: ", fmt::join(raw, ", "));
}

gossip::Footprint footprint_of(const Run& run, std::size_t degree) {
  const TensorLayout layout = layout_of(run);
  Coding coding;
  if (takes_operator(run.config)) coding = coding_of(run, layout, degree);
  return gossip::footprint_of(run.config.gossip, layout, degree, coding.first.get());
}

std::string algorithm_summary(const Run& run) { return describe(effective_options(run), false); }

Fingerprint fingerprint_of(const Run& run) {
  const Config& c = run.config;
  Fingerprint fields{{"run", c.run.name},
                     {"seed", fmt::format("{}", c.run.seed)},
                     {"topology", describe_graph(run)},
                     {"model", describe(layout_of(run))},
                     {"algorithm", describe(effective_options(run), c.optimal_relaxation)},
                     // Which levels there are follows from the operator; budgets may differ.
                     {"compressor", compress::describe(operator_of(c)) +
                                        (follows_budget(c) ? " with levels of rate" : "")}};
  if (is_mesh(c)) fields.push_back({kAwayField, run.membership.text()});
  return fields;
}

Fingerprint fingerprint_of(const Run& run, NodeId self) {
  Fingerprint fields = fingerprint_of(run);
  std::erase_if(fields, [](const FingerprintField& field) {
    return field.name == "topology" || field.name == kAwayField;
  });
  fields.push_back({"node", run.config.nodes[index_of(self)].name});
  return fields;
}

}  // namespace starling::node
