// starling simulate RUN.toml: the whole flock in this process, in virtual time.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>

#include "daemon/command_simulate_attacks.h"
#include "daemon/command_simulate_faults.h"
#include "daemon/command_simulate_network.h"
#include "daemon/commands.h"
#include "daemon/comparison.h"
#include "daemon/goal.h"
#include "daemon/options.h"
#include "daemon/report_html.h"
#include "daemon/text_file.h"
#include "daemon/trace.h"
#include "daemon/variants.h"
#include "node/run.h"
#include "sim/simulation.h"

namespace starling::daemon {
namespace {

struct SimulateOptions {
  RunFileOptions run_file;
  VariantOptions variants;
  NetworkFlags network;
  std::filesystem::path trace, report;
  std::string faults;
  AttackFlags attack;

  bool wants_trace() const { return !trace.empty() || !report.empty(); }
  std::FILE* out() const { return run_file.json ? stderr : stdout; }
};

// ---- before the runs ------------------------------------------------------------------------

Result<void> check_file(const std::filesystem::path& file, const char* flag,
                        const std::vector<std::string>& suffixes) {
  if (file.empty()) return {};
  if (std::ranges::find(suffixes, file.extension().string()) == suffixes.end()) {
    return Error{ErrorCode::config, fmt::format("{} {}: expected a file that ends in {}", flag,
                                                file.string(), fmt::join(suffixes, " or "))};
  }
  return check_writable(file);
}

Result<void> check_files(const SimulateOptions& options) {
  if (auto checked = check_file(options.trace, "--trace", {".csv", ".jsonl"}); !checked) {
    return checked;
  }
  return check_file(options.report, "--report", {".html"});
}

// Makes a run of each variant, and reads data once for neighbors that share them.
class Loader {
 public:
  Result<const node::Run*> load(const Variant& variant) {
    auto run = held_ && problem_ == variant.problem ? node::with_config(*held_, variant.config)
                                                    : node::load_run(variant.config);
    if (!run) return run.error();
    held_ = std::move(*run);
    problem_ = variant.problem;
    return &*held_;
  }

 private:
  std::optional<node::Run> held_;
  std::size_t problem_ = 0;
};

// What is wrong with the last of many runs is better said before the first.
Result<void> check_all(Loader& loader, const std::vector<Variant>& variants,
                       const NetworkFlags& network) {
  for (const Variant& variant : variants) {
    const auto run = loader.load(variant);
    if (!run) return run.error();
    if (const auto checked = simulation_options(network, **run); !checked) return checked.error();
  }
  return {};
}

// ---- a run ----------------------------------------------------------------------------------

// Looks at every round of every node: for the goal, for the trace, and to count them.
class Watcher {
 public:
  Watcher(const node::Run& run, sim::Simulation& simulation, bool traced)
      : run_(run), simulation_(simulation), trace_(run.config.nodes.size()), traced_(traced) {
    if (run.config.run.until_accuracy) goal_.emplace(*run.config.run.until_accuracy);
    simulation.observe([this](NodeId node, Time now, const node::Progress& progress) {
      ++node_rounds_;
      if (traced_) trace_.note(now, progress, simulation_.model(node));
      look_for_goal(node, progress);
    });
  }

  double node_rounds() const { return static_cast<double>(node_rounds_); }
  const std::optional<Reached>& reached() const { return reached_; }
  std::vector<TraceLine> lines() const { return trace_.lines(); }

 private:
  void look_for_goal(NodeId node, const node::Progress& p) {
    if (!goal_ || reached_ || !p.evaluation || p.evaluated_rounds != p.rounds_done) return;
    goal_->note(p.evaluated_rounds, run_.config.nodes[index_of(node)].name,
                p.evaluation->accuracy.value_or(0), p.evaluated_at_seconds);
    reached_ = goal_->reached(run_.topology.present().size());
    if (reached_) simulation_.stop();
  }

  const node::Run& run_;
  sim::Simulation& simulation_;
  std::optional<Goal> goal_;
  std::optional<Reached> reached_;
  Trace trace_;
  const bool traced_;
  std::uint64_t node_rounds_ = 0;
};

void print_run(const std::string& label, const node::RunReport& report, std::FILE* out) {
  fmt::print(out, "{}: {} rounds, {:.3f} virtual seconds, {:.0f} node-rounds a second, {} a node\n",
             label, report.rounds, report.virtual_seconds.value_or(0),
             report.node_rounds_per_second.value_or(0), bytes_text(report.sent_bytes_mean));
}

// A run that diverges leaves its rounds in `traced`, too.
Result<FlockResult> simulate_one(const node::Run& run, const sim::SimulationOptions& options,
                                 TracedRun* traced) {
  const auto begin = std::chrono::steady_clock::now();
  sim::Simulation simulation(run, options);
  const Watcher watcher(run, simulation, traced != nullptr);
  simulation.run();
  if (traced) traced->lines = watcher.lines();
  if (simulation.failure()) return Error{ErrorCode::diverged, *simulation.failure()};
  const double took = seconds(std::chrono::steady_clock::now() - begin);
  FlockResult result;
  result.report = simulation.report();
  result.reached = watcher.reached();
  result.report.wall_seconds = seconds(std::chrono::steady_clock::now() - begin);
  result.report.node_rounds_per_second = watcher.node_rounds() / std::max(took, 1e-9);
  return result;
}

// ---- after the runs -------------------------------------------------------------------------

std::vector<std::string> words_of(const SimulateOptions& options) {
  std::vector<std::string> words;
  for (const std::string& one : options.run_file.overrides) words.push_back("--set " + one);
  if (!options.variants.compare.empty()) words.push_back("--compare " + options.variants.compare);
  if (!options.variants.sweep.empty()) words.push_back("--sweep " + options.variants.sweep);
  if (options.run_file.until_accuracy) {
    words.push_back(fmt::format("--until-accuracy {}", *options.run_file.until_accuracy));
  }
  for (const std::string& one : options.network.given()) words.push_back(one);
  return words;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Result<void> write_files(const SimulateOptions& options, const ReportPage& page) {
  if (!options.trace.empty()) {
    const bool csv = options.trace.extension() == ".csv";
    const auto written =
        write_text(options.trace, csv ? to_csv(page.runs) : to_json_lines(page.runs));
    if (!written) return written.error();
  }
  if (options.report.empty()) return {};
  return write_text(options.report, report_html(page));
}

int simulate(const SimulateOptions& options) {
  ReportPage page{.run_file_name = options.run_file.file.string(),
                  .run_file = text_of(options.run_file.file)};
  page.options = words_of(options);
  const auto variants = variants_of(options.run_file, options.variants);
  if (!variants) return fail(variants.error());
  Loader loader;
  if (auto checked = check_all(loader, *variants, options.network); !checked) {
    return fail(checked.error());
  }
  if (auto checked = check_files(options); !checked) return fail(checked.error());

  const auto run_one = [&](const Variant& variant) -> Result<FlockResult> {
    const auto run = loader.load(variant);
    if (!run) return run.error();
    const auto network = simulation_options(options.network, **run);
    if (!network) return network.error();
    TracedRun* const traced =
        options.wants_trace() ? &page.runs.emplace_back(TracedRun{variant.label, {}}) : nullptr;
    auto result = simulate_one(**run, *network, traced);
    if (result) print_run(variant.label, result->report, options.out());
    return result;
  };
  const Outcome outcome = run_and_report(*variants, options.run_file.json, run_one);
  page.title = variants->front().config.run.name;
  page.results = result_table(outcome.reports);
  if (auto written = write_files(options, page); !written) return fail(written.error());
  return outcome.exit_code;
}

Word add_attack(CommandLine verb, AttackFlags& flags) {
  Word attack =
      verb.add_option("--attack", flags.attacks,
                      "what a node costs the others that lies about its model, with clipping and "
                      "without: sign-flip, constant, alie, dissensus")
          .type_name("all|KIND,KIND");
  verb.add_option("--attack-seeds", flags.seeds, "once for each of these; unset: [run] seed")
      .type_name("SEED|FIRST..LAST")
      .needs(attack);
  verb.add_option("--liar", flags.liar, "the node that lies; unset: the last one")
      .type_name("NODE")
      .needs(attack);
  return attack;
}

}  // namespace

void add_simulate(CommandLine line, Verb& chosen) {
  auto options = std::make_shared<SimulateOptions>();
  CommandLine verb =
      line.add_verb("simulate", "Run every node of a run file in this process, in virtual time");
  options->run_file.add_to(verb);
  options->run_file.add_until_accuracy_to(verb);
  verb.add_option("--compare", options->variants.compare,
                  "algorithms to run one after the other, in place of [run] compare")
      .type_name("NAME,NAME");
  verb.add_option("--sweep", options->variants.sweep,
                  "a run for each value of one key of the run file")
      .type_name("SECTION.KEY=VALUE,VALUE");
  options->network.add_to(verb);
  verb.add_option("--trace", options->trace, "write a line a round: .csv or .jsonl")
      .type_name("FILE");
  verb.add_option("--report", options->report, "write a page with charts of all runs: .html")
      .type_name("FILE");
  Word faults =
      verb.add_option("--faults", options->faults,
                      "the run once for each of these seeds, under faults that it draws, and "
                      "everything checked that must hold")
          .type_name("SEED|FIRST..LAST");
  Word attack = add_attack(verb, options->attack);
  for (const char* other : {"--compare", "--sweep", "--trace", "--report", "--until-accuracy"}) {
    faults.excludes(verb.option(other));
    attack.excludes(verb.option(other));
  }
  attack.excludes(faults);
  verb.when_chosen([options, faults, attack, &chosen] {
    const bool under_faults = faults.given(), under_attack = attack.given();
    chosen = [options, under_faults, under_attack] {
      if (under_attack) {
        return simulate_attacks(options->attack, options->run_file, options->network);
      }
      return under_faults ? simulate_faults(options->faults, options->run_file, options->network)
                          : simulate(*options);
    };
  });
}

}  // namespace starling::daemon
