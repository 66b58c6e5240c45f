#include "daemon/command_simulate_faults.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>

#include "daemon/seeds.h"
#include "daemon/table.h"
#include "node/run.h"
#include "sim/trial.h"

namespace starling::daemon {
namespace {

constexpr std::size_t kBrokenMax = 3;
// Where --step and --delay leave a run without length.
constexpr Duration kUsualStep = std::chrono::milliseconds{1};

// What all seeds together came to.
class Summary {
 public:
  void add(const sim::Trial& trial) {
    ++seeds_;
    std::map<std::string, std::uint64_t> drawn;
    for (const sim::Fault& fault : trial.plan.faults) ++drawn[sim::name_of(fault.kind)];
    if (trial.plan.loss > 0) drawn["loss"] = 1;
    if (trial.plan.jitter > Duration{0}) drawn["jitter"] = 1;
    if (!trial.plan.slow.empty()) drawn["slow node"] = trial.plan.slow.size();
    if (trial.plan.disk_faults > 0 && trial.plan.checkpoint_every > 0) drawn["failing disks"] = 1;
    for (const auto& [kind, count] : drawn) {
      ++faults_[kind].seeds;
      faults_[kind].drawn += count;
    }
    edges_.exchanges += trial.edges.exchanges;
    edges_.made_up += trial.edges.made_up;
    edges_.reopened += trial.edges.reopened;
    refused_ += trial.refused_twins + trial.refused_mismatches;
    if (trial.broken) {
      broken_.push_back({trial.plan.seed, *trial.broken});
    } else if (trial.recovery > slowest_) {
      slowest_ = trial.recovery;
      slowest_seed_ = trial.plan.seed;
    }
  }

  std::size_t broken() const { return broken_.size(); }

  std::string text(const std::string& run) const {
    Table table({"fault", "seeds", "times"});
    for (const auto& [kind, count] : faults_) {
      table.add({kind, fmt::to_string(count.seeds), fmt::to_string(count.drawn)});
    }
    std::string out =
        fmt::format("{}: {} seeds, {} of them broke an invariant\n\n{}\n", run, seeds_,
                    broken_.empty() ? "none" : fmt::to_string(broken_.size()), table.text());
    out += fmt::format(
        "{} exchanges counted, {} made up for after a break; edges began anew {} times; {} links "
        "were refused\n",
        edges_.exchanges / 2, edges_.made_up, edges_.reopened, refused_);
    if (slowest_seed_) {
      out +=
          fmt::format("slowest recovery: {:.4f} virtual seconds after the last fault (seed {})\n",
                      seconds(slowest_), *slowest_seed_);
    }
    return out;
  }

  nlohmann::json json(const std::string& run) const {
    nlohmann::json out{{"run", run},
                       {"seeds", seeds_},
                       {"exchanges", edges_.exchanges / 2},
                       {"made_up", edges_.made_up},
                       {"reopened", edges_.reopened},
                       {"refused", refused_},
                       {"broken", nlohmann::json::array()}};
    for (const auto& [kind, count] : faults_) {
      out["faults"][kind] = {{"seeds", count.seeds}, {"times", count.drawn}};
    }
    for (const auto& [seed, what] : broken_) {
      out["broken"].push_back({{"seed", seed}, {"invariant", what}});
    }
    if (slowest_seed_) {
      out["slowest_recovery"] = {{"seed", *slowest_seed_}, {"virtual_seconds", seconds(slowest_)}};
    }
    return out;
  }

 private:
  struct Count {
    std::uint64_t seeds = 0, drawn = 0;
  };
  std::uint64_t seeds_ = 0, refused_ = 0;
  std::map<std::string, Count> faults_;
  sim::EdgeCounts edges_;
  std::vector<std::pair<std::uint64_t, std::string>> broken_;
  Duration slowest_{0};
  std::optional<std::uint64_t> slowest_seed_;
};

// One line on standard error that is written over itself; nothing where nobody looks.
class ProgressLine {
 public:
  void show(std::uint64_t seed, const Seeds& seeds, std::size_t broken) {
    if (!terminal_) return;
    fmt::print(stderr, "\r\x1b[Kseed {} of {}..{}, {} broken", seed, seeds.first, seeds.last,
               broken);
    std::fflush(stderr);
  }
  void clear() {
    if (terminal_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  const bool terminal_ = ::isatty(::fileno(stderr)) == 1;
};

std::string quoted(const std::string& word) {
  if (word.find_first_of(" '\"[]*$;&|<>()\\") == word.npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The command that plays this seed again.
std::string replay(std::uint64_t seed, const RunFileOptions& run_file,
                   const NetworkFlags& network) {
  std::string words = "starling simulate " + quoted(run_file.file.string());
  for (const std::string& one : run_file.overrides) words += " --set " + quoted(one);
  for (const std::string& one : network.given()) words += " " + one;
  return words + fmt::format(" --faults {}", seed);
}

void print_broken(const sim::Trial& trial, const std::string& command) {
  fmt::print(stderr,
             "{}\n{}\nthe last events before it:\n{}an invariant is broken at {}\nto see it again: "
             "{}\n\n",
             std::string(100, '-'), trial.plan.describe(), trial.events, *trial.broken, command);
}

Result<node::Run> load(const RunFileOptions& run_file) {
  auto config = run_file.load();
  if (!config) return config.error();
  config->run.compare.clear();
  config->run.until_accuracy.reset();
  return node::load_run(std::move(*config));
}

Result<sim::SimulationOptions> machines(const NetworkFlags& network, const node::Run& run) {
  auto options = simulation_options(network, run);
  if (!options) return options;
  if (options->step == Duration{0}) options->step = kUsualStep;
  if (options->link.delay == Duration{0}) options->link.delay = options->step / 2;
  return options;
}

}  // namespace

int simulate_faults(const std::string& seeds_text, const RunFileOptions& run_file,
                    const NetworkFlags& network) {
  const auto seeds = parse_seeds("--faults", seeds_text);
  if (!seeds) return fail(seeds.error());
  const auto run = load(run_file);
  if (!run) return fail(run.error());
  const auto options = machines(network, *run);
  if (!options) return fail(options.error());
  const auto length = sim::fault_free_length(*run, *options);
  if (!length) return fail(length.error());

  const sim::Undisturbed undisturbed = sim::undisturbed(*run, *length);
  Summary summary;
  ProgressLine progress;
  for (std::uint64_t i = 0; i <= seeds->last - seeds->first; ++i) {
    const std::uint64_t seed = seeds->first + i;
    progress.show(seed, *seeds, summary.broken());
    const sim::Trial trial = sim::play(*run, *options, undisturbed, seed);
    summary.add(trial);
    if (!trial.broken) continue;
    progress.clear();
    print_broken(trial, replay(seed, run_file, network));
    if (summary.broken() == kBrokenMax) break;
  }
  progress.clear();
  const std::string& name = run->config.run.name;
  if (run_file.json) {
    fmt::print("{}\n", summary.json(name).dump(2));
  } else {
    fmt::print("{}", summary.text(name));
  }
  return summary.broken() == 0 ? 0 : kInvariantBrokenExit;
}

}  // namespace starling::daemon
