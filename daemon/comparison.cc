#include "daemon/comparison.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon/options.h"
#include "daemon/table.h"

namespace starling::daemon {
namespace {

constexpr int kInterrupted = 130;  // what shells expect after Ctrl-C

struct Finished {
  bool own;
  FlockResult result;
};

nlohmann::ordered_json json_of(const FlockResult& result) {
  nlohmann::ordered_json json = node::to_json(result.report);
  if (result.reached) {
    json["reached"] = {{"round", result.reached->round},
                       {"train_seconds", result.reached->train_seconds}};
  }
  return json;
}

void print_json(const std::vector<Finished>& runs) {
  const auto mine = std::ranges::find_if(runs, &Finished::own);
  nlohmann::ordered_json json = json_of(mine == runs.end() ? runs.back().result : mine->result);
  if (runs.size() > 1) {
    for (const Finished& run : runs) json["compared"].push_back(json_of(run.result));
  }
  // A label comes from the command line and need not be UTF-8.
  const auto replace = nlohmann::ordered_json::error_handler_t::replace;
  std::printf("%s\n", json.dump(-1, ' ', false, replace).c_str());
}

void print_table(const std::vector<node::RunReport>& reports, std::FILE* out) {
  std::fprintf(out, "\n%s", result_table(reports).text().c_str());
  for (const node::RunReport& report : reports) {
    const std::string& label = report.label.empty() ? report.algorithm : report.label;
    for (const std::string& name : report.missing) {
      std::fprintf(out, "%s: no report from %s\n", label.c_str(), name.c_str());
    }
  }
}

}  // namespace

Outcome run_and_report(const std::vector<Variant>& variants, bool json, const RunOne& run_one) {
  Outcome outcome;
  std::vector<Finished> runs;
  for (const Variant& variant : variants) {
    auto result = run_one(variant);
    if (!result) {
      const bool go_on = result.error().code == ErrorCode::diverged && variants.size() > 1;
      if (!go_on) return {fail(result.error()), {}};
      outcome.exit_code =
          fail({result.error().code, variant.label + ": " + result.error().message});
      continue;
    }
    if (variant.label != result->report.algorithm) result->report.label = variant.label;
    outcome.reports.push_back(result->report);
    runs.push_back({variant.own, std::move(*result)});
    if (!runs.back().result.interrupted) continue;
    outcome.exit_code = kInterrupted;
    break;
  }
  if (runs.empty()) return outcome;
  print_table(outcome.reports, json ? stderr : stdout);
  if (json) print_json(runs);
  return outcome;
}

}  // namespace starling::daemon
