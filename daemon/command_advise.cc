// starling advise: what a round of each algorithm and operator would take here.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "daemon/asking.h"
#include "daemon/command_advise_cost.h"
#include "daemon/command_advise_links.h"
#include "daemon/table.h"
#include "node/config_names.h"

namespace starling::daemon {
namespace {

struct AdviseOptions : AskOptions {
  LinkWords links;
};

struct Advice {
  Candidate candidate;
  double code_seconds = 0;   // a round of coding, decoding and mixing, on one core
  double round_seconds = 0;  // with the links
  double sent_bytes = 0;     // a node and round
};

struct Findings {
  double step_seconds = 0;
  std::vector<Advice> advice = {};
  std::vector<LeftOut> left_out = {};
};

// So much slower than the fastest is as fast, by a clock on a machine that does other things too.
constexpr double kAsFast = 1.05;

std::string name_of(const Candidate& candidate) {
  return fmt::format("{} with {}", candidate.algorithm, candidate.coding);
}

Result<Advice> advise_on(const node::Run& base, const Candidate& candidate, double step,
                         const sim::SimulationOptions& network) {
  const auto run = node::with_config(base, candidate.config);
  if (!run) return run.error();
  const auto work = measure_work(*run);
  if (!work) return work.error();
  const double code = std::max(0.0, work->seconds - step);
  const auto round = predict(*run, network, step + code);
  if (!round) return round.error();
  return Advice{candidate, code, round->seconds, round->sent_bytes};
}

Result<Findings> findings_of(const node::Run& run, const sim::SimulationOptions& network) {
  const auto without = alone(run);
  if (!without) return without.error();
  const auto step = measure_work(*without);
  if (!step) return step.error();
  Findings found{.step_seconds = step->seconds};
  for (const Candidate& candidate : candidates_of(run.config)) {
    auto advice = advise_on(run, candidate, step->seconds, network);
    if (advice) {
      found.advice.push_back(std::move(*advice));
    } else if (candidate.own) {
      return advice.error();
    } else {
      found.left_out.push_back({candidate.algorithm, candidate.coding, advice.error().message});
    }
  }
  return found;
}

// Of those that are about as fast as the fastest, the one that sends most: it keeps most of what
// each round has to say.
const Advice& choice_of(const std::vector<Advice>& all) {
  const auto fastest = std::ranges::min_element(all, {}, &Advice::round_seconds);
  const Advice* chosen = &*fastest;
  for (const Advice& one : all) {
    const bool as_fast = one.round_seconds <= kAsFast * fastest->round_seconds;
    if (as_fast && one.sent_bytes > chosen->sent_bytes) chosen = &one;
  }
  return *chosen;
}

std::string seconds_text(double seconds) {
  return seconds < 1 ? fmt::format("{:.3g} ms", seconds * 1e3) : fmt::format("{:.3g} s", seconds);
}

double rounds_a_second(const Advice& one) { return 1 / std::max(one.round_seconds, 1e-9); }

Json json_of(const Findings& found, const Links& links, const node::Run& run) {
  const auto rounds = static_cast<double>(run.config.run.rounds);
  Json json = {{"run", run.config.run.name},
               {"rounds", run.config.run.rounds},
               {"measured_rounds", kMeasuredRounds},
               {"step_seconds", found.step_seconds},
               {"links",
                {{"delay_seconds", seconds(links.network.link.delay)},
                 {"bytes_per_second", links.bytes_per_second},
                 {"origin", links.origin}}}};
  const auto named = [](const std::string& algorithm, const std::string& coding) {
    return Json{{"algorithm", algorithm}, {"operator", coding}};
  };
  json["candidates"] = json["left_out"] = Json::array();
  for (const Advice& one : found.advice) {
    Json entry = named(one.candidate.algorithm, one.candidate.coding);
    entry["of_the_file"] = one.candidate.own;
    entry["code_seconds"] = one.code_seconds;
    entry["sent_bytes_per_round"] = one.sent_bytes;
    entry["seconds_per_round"] = one.round_seconds;
    entry["rounds_per_second"] = rounds_a_second(one);
    entry["seconds"] = one.round_seconds * rounds;
    json["candidates"].push_back(std::move(entry));
  }
  for (const LeftOut& one : found.left_out) {
    json["left_out"].push_back(named(one.algorithm, one.coding));
    json["left_out"].back()["why"] = one.why;
  }
  const Candidate& chosen = choice_of(found.advice).candidate;
  json["choice"] = named(chosen.algorithm, chosen.coding);
  return json;
}

void print(const Findings& found, const Links& links, const node::Run& run) {
  const sim::LinkModel& link = links.network.link;
  fmt::print(
      "a local step takes {} here, by {} rounds of {} nodes; links of {} and {} one way, {}\n",
      seconds_text(found.step_seconds), kMeasuredRounds, run.topology.present().size(),
      node::show_rate(links.bytes_per_second), seconds_text(seconds(link.delay)), links.origin);
  if (links.daemons) {
    fmt::print(
        "daemons of this run are at work on this machine, so steps look slower than they are\n");
  }
  const std::string all = fmt::format("{} rounds", run.config.run.rounds);
  Table table({"algorithm", "operator", "code", "sent a round", "a round", "rounds/s", all});
  for (const Advice& one : found.advice) {
    table.add({one.candidate.algorithm + (one.candidate.own ? " (the file's)" : ""),
               one.candidate.coding, seconds_text(one.code_seconds), bytes_text(one.sent_bytes),
               seconds_text(one.round_seconds), fmt::format("{:.3g}", rounds_a_second(one)),
               seconds_text(one.round_seconds * static_cast<double>(run.config.run.rounds))});
  }
  std::fputs(table.text().c_str(), stdout);
  for (const LeftOut& one : found.left_out) {
    fmt::print("left out {} with {}: {}\n", one.algorithm, one.coding, one.why);
  }
  const Advice& chosen = choice_of(found.advice);
  fmt::print("choice: {}, {:.3g} rounds a second\n", name_of(chosen.candidate),
             rounds_a_second(chosen));
  fmt::print(
      "This predicts the time to the same number of rounds, not to the same accuracy: rounds that "
      "send less may gain less. `starling simulate --compare` shows what they gain.\n");
}

int advise(const AdviseOptions& options) {
  const auto config = options.run_file.load();
  if (!config) return fail(config.error());
  const auto run = node::load_run(*config);
  if (!run) return fail(run.error());
  const auto links = links_of(options, options.links, *run);
  if (!links) return fail(links.error());
  const auto found = findings_of(*run, links->network);
  if (!found) return fail(found.error());
  if (options.run_file.json) {
    std::printf("%s\n", json_of(*found, *links, *run).dump().c_str());
  } else {
    print(*found, *links, *run);
  }
  return 0;
}

}  // namespace

void add_advise(CommandLine line, Verb& chosen) {
  auto [verb, options] = add_asking(
      line, chosen, "advise",
      "Predict what a round of each algorithm and operator takes on this machine and these links",
      advise);
  verb.option("--node").description("measure the links of one node alone, on this machine");
  verb.add_option("--rate", options->links.rate,
                  "rate of every node's uplink and downlink; without it measured")
      .type_name("RATE");
  verb.add_option("--delay", options->links.delay,
                  "one-way delay of every link; without it measured")
      .type_name("TIME");
}

}  // namespace starling::daemon
