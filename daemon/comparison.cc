#include "daemon/comparison.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon/options.h"
#include "daemon/table.h"

namespace starling::daemon {
namespace {

constexpr int kInterrupted = 130;  // what shells expect after Ctrl-C

nlohmann::ordered_json json_of(const FlockResult& result) {
  nlohmann::ordered_json json = node::to_json(result.report);
  if (result.reached) {
    json["reached"] = {{"round", result.reached->round},
                       {"train_seconds", result.reached->train_seconds}};
  }
  return json;
}

void print_json(const node::Config& config, const std::vector<FlockResult>& results) {
  const std::string own = gossip::name_of(config.gossip.algorithm);
  const auto mine = std::ranges::find_if(
      results, [&own](const FlockResult& r) { return r.report.algorithm == own; });
  nlohmann::ordered_json json = json_of(mine == results.end() ? results.back() : *mine);
  if (results.size() > 1) {
    for (const FlockResult& result : results) json["compared"].push_back(json_of(result));
  }
  std::printf("%s\n", json.dump().c_str());
}

}  // namespace

int run_and_report(const node::Config& config, bool json, const RunOne& run_one) {
  std::vector<gossip::AlgorithmKind> algorithms = config.run.compare;
  if (algorithms.empty()) algorithms = {config.gossip.algorithm};
  std::vector<FlockResult> results;
  for (const gossip::AlgorithmKind algorithm : algorithms) {
    node::Config one = config;
    one.gossip.algorithm = algorithm;
    auto result = run_one(one);
    if (!result) return fail(result.error());
    results.push_back(std::move(*result));
    if (results.back().interrupted) break;
  }
  std::vector<node::RunReport> reports;
  for (const FlockResult& result : results) reports.push_back(result.report);
  std::FILE* const out = json ? stderr : stdout;
  std::fprintf(out, "\n%s", result_table(reports).c_str());
  for (const node::RunReport& report : reports) {
    for (const std::string& name : report.missing) {
      std::fprintf(out, "%s: no report from %s\n", report.algorithm.c_str(), name.c_str());
    }
  }
  if (json) print_json(config, results);
  return results.back().interrupted ? kInterrupted : 0;
}

}  // namespace starling::daemon
