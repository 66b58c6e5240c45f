// starling simulate RUN.toml: the whole flock in this process, in virtual time.
#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "daemon/commands.h"
#include "daemon/comparison.h"
#include "daemon/goal.h"
#include "daemon/options.h"
#include "node/run.h"
#include "sim/simulation.h"

namespace starling::daemon {
namespace {

struct SimulateOptions {
  RunFileOptions run_file;
  std::string delay = "0ms", step = "0ms", rate;
};

Result<sim::SimulationOptions> simulation_options(const SimulateOptions& options) {
  sim::SimulationOptions result;
  const auto delay = parse_duration(options.delay);
  if (!delay) return delay.error();
  const auto step = parse_duration(options.step);
  if (!step) return step.error();
  result.link.delay = *delay;
  result.step = *step;
  if (!options.rate.empty()) {
    const auto rate = parse_rate(options.rate);
    if (!rate) return rate.error();
    result.link.bytes_per_second = *rate;
  }
  return result;
}

Result<FlockResult> simulate_one(const node::Run& run, const sim::SimulationOptions& options,
                                 std::FILE* out) {
  const auto begin = std::chrono::steady_clock::now();
  sim::Simulation simulation(run, options);
  FlockResult result;
  std::optional<Goal> goal;
  if (run.config.run.until_accuracy) goal.emplace(*run.config.run.until_accuracy);
  simulation.observe([&](NodeId node, Time /*now*/, const node::Progress& p) {
    if (!goal || result.reached || !p.evaluation || p.evaluated_rounds != p.rounds_done) return;
    goal->note(p.evaluated_rounds, run.config.nodes[index_of(node)].name,
               p.evaluation->accuracy.value_or(0), p.evaluated_at_seconds);
    result.reached = goal->reached(run.config.nodes.size());
    if (result.reached) simulation.stop();
  });
  simulation.run();
  if (simulation.failure()) return Error{ErrorCode::diverged, *simulation.failure()};
  result.report = simulation.report();
  result.report.wall_seconds = seconds(std::chrono::steady_clock::now() - begin);
  std::fprintf(out, "%s: %zu rounds, %.3f virtual seconds\n", result.report.algorithm.c_str(),
               static_cast<std::size_t>(result.report.rounds),
               result.report.virtual_seconds.value_or(0));
  return result;
}

int simulate(const SimulateOptions& options) {
  auto config = options.run_file.load();
  if (!config) return fail(config.error());
  const auto simulation = simulation_options(options);
  if (!simulation) return fail(simulation.error());
  auto run = node::load_run(std::move(*config));
  if (!run) return fail(run.error());
  std::FILE* const out = options.run_file.json ? stderr : stdout;
  const node::Config whole = run->config;
  return run_and_report(whole, options.run_file.json, [&](const node::Config& one) {
    run->config = one;
    return simulate_one(*run, *simulation, out);
  });
}

}  // namespace

void add_simulate(CLI::App& app, Verb& chosen) {
  auto options = std::make_shared<SimulateOptions>();
  CLI::App& verb = *app.add_subcommand(
      "simulate", "Run every node of a run file in this process, in virtual time");
  options->run_file.add_to(verb);
  options->run_file.add_until_accuracy_to(verb);
  verb.add_option("--delay", options->delay, "one-way delay of every link")->type_name("TIME");
  verb.add_option("--rate", options->rate, "rate of every node's uplink and downlink")
      ->type_name("RATE");
  verb.add_option("--step", options->step, "what a local step takes")->type_name("TIME");
  verb.callback([options, &chosen] { chosen = [options] { return simulate(*options); }; });
}

}  // namespace starling::daemon
