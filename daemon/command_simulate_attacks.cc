#include "daemon/command_simulate_attacks.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <vector>

#include "daemon/seeds.h"
#include "daemon/table.h"
#include "node/config_text.h"
#include "node/run.h"
#include "sim/attack_trial.h"

namespace starling::daemon {
namespace {

using Attack = std::optional<sim::AttackKind>;

std::string name_of(const Attack& attack) { return attack ? sim::name_of(*attack) : "none"; }

// The first is none.
Result<std::vector<Attack>> parse_attacks(const std::string& text) {
  std::vector<Attack> attacks{std::nullopt};
  if (text == "all") {
    attacks.insert(attacks.end(), std::begin(sim::kAllAttacks), std::end(sim::kAllAttacks));
    return attacks;
  }
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const Attack attack = sim::attack_of(word);
    if (!attack) {
      return Error{ErrorCode::config,
                   fmt::format("--attack {}: expected all, or some of sign-flip, "
                               "constant, alie and dissensus with commas between",
                               node::shown(text))};
    }
    attacks.push_back(attack);
  }
  return attacks;
}

// Over the seeds.
struct Row {
  Attack attack;
  bool clip;
  std::vector<sim::AttackOutcome> outcomes = {};
  std::vector<double> lost = {};  // of the mean accuracy, to the run without liar and clipping

  double mean(double sim::AttackOutcome::*what) const {
    double sum = 0;
    for (const auto& one : outcomes) sum += one.*what;
    return sum / static_cast<double>(outcomes.size());
  }
  double lost_mean() const {
    double sum = 0;
    for (const double one : lost) sum += one;
    return sum / static_cast<double>(lost.size());
  }
  double lost_most() const { return *std::ranges::max_element(lost); }
  std::uint64_t rejected() const {
    std::uint64_t sum = 0;
    for (const auto& one : outcomes) sum += one.rejected;
    return sum;
  }
  std::size_t failed() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        outcomes, [](const sim::AttackOutcome& one) { return one.failure.has_value(); }));
  }
};

// What is the same for every attack.
struct Scene {
  node::Run run;
  sim::SimulationOptions options;
  NodeId liar;
};

class Trials {
 public:
  Trials(const RunFileOptions& run_file, const NetworkFlags& network, std::string liar)
      : run_file_(run_file), network_(network), liar_(std::move(liar)) {}

  // An empty text: the run file's own seed.
  Result<Scene> scene(const std::string& seed, bool clip) const {
    RunFileOptions words = run_file_;
    words.overrides.push_back("gossip.overlap=false");
    words.overrides.push_back(fmt::format("robust.clip={}", clip));
    if (!seed.empty()) words.overrides.push_back("run.seed=" + seed);
    auto config = words.load();
    if (!config) return config.error();
    config->run.compare.clear();
    config->run.until_accuracy.reset();
    config->run.evaluate_every = 0;
    if (config->data.kind == train::DataKind::quadratic) {
      return Error{ErrorCode::config,
                   "--attack: quadratic data has no accuracy to lose; take "
                   "optdigits, idx or libsvm"};
    }
    NodeId liar = node_id(config->nodes.size() - 1);
    if (!liar_.empty()) {
      const auto found = node::find_present_node(*config, liar_);
      if (!found) return found.error();
      liar = *found;
    }
    auto run = node::load_run(std::move(*config));
    if (!run) return run.error();
    auto options = simulation_options(network_, *run);
    if (!options) return options.error();
    if (options->step == Duration{0}) options->step = std::chrono::milliseconds{1};
    return Scene{std::move(*run), *options, liar};
  }

 private:
  const RunFileOptions& run_file_;
  const NetworkFlags& network_;
  const std::string liar_;
};

Result<std::vector<Row>> play_all(const Trials& trials, const std::vector<Attack>& attacks,
                                  const std::vector<std::string>& seeds) {
  std::vector<Row> rows;
  for (const bool clip : {false, true}) {
    for (const Attack& attack : attacks) rows.push_back({attack, clip});
  }
  for (const std::string& seed : seeds) {
    for (const bool clip : {false, true}) {
      const auto scene = trials.scene(seed, clip);
      if (!scene) return scene.error();
      for (Row& row : rows) {
        if (row.clip != clip) continue;
        row.outcomes.push_back(
            sim::play_attack(scene->run, scene->options, scene->liar, row.attack));
        const double honest = rows.front().outcomes.back().accuracy_mean;
        row.lost.push_back(honest - row.outcomes.back().accuracy_mean);
      }
    }
  }
  return rows;
}

std::string text_of(const std::vector<Row>& rows) {
  Table table(
      {"attack", "clip", "accuracy mean", "worst node", "lost", "lost most", "refused", "gave up"});
  for (const Row& row : rows) {
    table.add({name_of(row.attack), row.clip ? "on" : "off",
               percent_text(row.mean(&sim::AttackOutcome::accuracy_mean)),
               percent_text(row.mean(&sim::AttackOutcome::accuracy_worst)),
               fmt::format("{:.2f}", 100 * row.lost_mean()),
               fmt::format("{:.2f}", 100 * row.lost_most()), fmt::format("{}", row.rejected()),
               fmt::format("{}", row.failed())});
  }
  return table.text();
}

nlohmann::json json_of(const std::vector<Row>& rows) {
  nlohmann::json all = nlohmann::json::array();
  for (const Row& row : rows) {
    all.push_back({{"attack", name_of(row.attack)},
                   {"clip", row.clip},
                   {"seeds", row.outcomes.size()},
                   {"accuracy_mean", row.mean(&sim::AttackOutcome::accuracy_mean)},
                   {"accuracy_worst", row.mean(&sim::AttackOutcome::accuracy_worst)},
                   {"lost_points_mean", 100 * row.lost_mean()},
                   {"lost_points_most", 100 * row.lost_most()},
                   {"refused", row.rejected()},
                   {"gave_up", row.failed()}});
  }
  return all;
}

}  // namespace

int simulate_attacks(const AttackFlags& flags, const RunFileOptions& run_file,
                     const NetworkFlags& network) {
  const auto attacks = parse_attacks(flags.attacks);
  if (!attacks) return fail(attacks.error());
  std::vector<std::string> seeds{""};
  if (!flags.seeds.empty()) {
    const auto given = parse_seeds("--attack-seeds", flags.seeds);
    if (!given) return fail(given.error());
    seeds.clear();
    for (std::uint64_t i = 0; i <= given->last - given->first; ++i) {
      seeds.push_back(fmt::to_string(given->first + i));
    }
  }
  const Trials trials(run_file, network, flags.liar);
  const auto rows = play_all(trials, *attacks, seeds);
  if (!rows) return fail(rows.error());
  if (run_file.json) {
    fmt::print("{}\n", json_of(*rows).dump(2));
  } else {
    fmt::print(
        "one liar, {} {}; lost: points of accuracy to honest nodes without clipping, mean and "
        "worst seed\n\n{}",
        seeds.size(), seeds.size() == 1 ? "seed" : "seeds", text_of(*rows));
  }
  return 0;
}

}  // namespace starling::daemon
