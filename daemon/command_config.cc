// starling topology, starling config: what a run file means, without running it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/commands.h"
#include "daemon/options.h"
#include "daemon/table.h"
#include "node/limits.h"
#include "node/memory.h"
#include "node/run.h"

namespace starling::daemon {
namespace {

using Json = nlohmann::ordered_json;

// Of a directed graph who sends to whom, of the others the weights and what they promise.
Json json_of(const node::Config& config, const gossip::Topology& topology) {
  const auto name = [&config](NodeId id) { return config.nodes[index_of(id)].name; };
  Json json = {{"kind", gossip::name_of(config.topology.kind)},
               {"nodes", Json::array()},
               {"edges", Json::array()}};
  if (topology.is_directed()) {
    json["period"] = topology.period();
    json["ways"] = Json::array();
    for (const gossip::Way& way : topology.ways()) {
      json["ways"].push_back({{"from", name(way.from)},
                              {"to", name(way.to)},
                              {"turn", way.turn},
                              {"share", topology.share(way.from, way.to, way.turn)}});
    }
  } else {
    const gossip::Spectrum spectrum = topology.spectrum();
    json["lambda_2"] = spectrum.lambda_2;
    json["lambda_n"] = spectrum.lambda_n;
    json["spectral_gap"] = spectrum.gap();
    json["optimal_relaxation"] = spectrum.optimal_relaxation();
    json["gap_at_optimal_relaxation"] = spectrum.gap_at_optimal_relaxation();
  }
  for (std::size_t i = 0; i < topology.nodes(); ++i) {
    json["nodes"].push_back({{"name", config.nodes[i].name},
                             {"address", config.nodes[i].address},
                             {"degree", topology.degree(node_id(i))},
                             {"self_weight", topology.self_weight(node_id(i))},
                             {"left", config.nodes[i].left}});
  }
  for (const gossip::Edge& edge : topology.edges()) {
    json["edges"].push_back({{"a", name(edge.low)}, {"b", name(edge.high)}});
    if (!topology.is_directed()) json["edges"].back()["weight"] = edge.weight;
  }
  return json;
}

void print_topology(const node::Config& config, const gossip::Topology& topology) {
  const bool directed = topology.is_directed();
  Table table({"node", "address", "self weight",
               directed ? "sends to, mean shares" : "neighbors and weights"});
  for (const NodeId id : topology.present()) {
    std::vector<std::string> neighbors;
    for (const NodeId peer : topology.neighbors(id)) {
      if (topology.weight(id, peer) == 0) continue;
      neighbors.push_back(
          fmt::format("{} {:.4f}", config.nodes[index_of(peer)].name, topology.weight(id, peer)));
    }
    const node::NodeEntry& entry = config.nodes[index_of(id)];
    table.add({entry.name, entry.address, fmt::format("{:.4f}", topology.self_weight(id)),
               fmt::format("{}", fmt::join(neighbors, ", "))});
  }
  std::printf("%s of %zu nodes, %zu edges\n%s", gossip::name_of(config.topology.kind),
              topology.present().size(), topology.edges().size(), table.text().c_str());
  if (directed) {
    std::printf("directed: %zu ways, each used once in %u rounds\n", topology.ways().size(),
                topology.period());
    return;
  }
  const gossip::Spectrum s = topology.spectrum();
  std::printf("lambda_2 %.5f, lambda_n %.5f, spectral gap %.5f\n", s.lambda_2, s.lambda_n, s.gap());
  std::printf("optimal relaxation %.4f, spectral gap with it %.5f\n", s.optimal_relaxation(),
              s.gap_at_optimal_relaxation());
}

int topology(const RunFileOptions& options) {
  const auto config = options.load();
  if (!config) return fail(config.error());
  const auto made = gossip::Topology::make(config->topology, config->run.seed);
  if (!made) return fail(made.error());
  if (options.json) {
    std::printf("%s\n", json_of(*config, *made).dump().c_str());
  } else {
    print_topology(*config, *made);
  }
  return 0;
}

// Of the node with most neighbors, which takes most.
std::pair<std::string, node::MemoryForecast> largest_forecast(const node::Run& run) {
  std::size_t most = 0;
  for (std::size_t i = 1; i < run.topology.nodes(); ++i) {
    if (run.topology.degree(node_id(i)) > run.topology.degree(node_id(most))) most = i;
  }
  return {run.config.nodes[most].name, node::forecast_memory(run, node_id(most))};
}

// The file, the graph and the data: all that a daemon looks at before it opens a socket.
int check(const RunFileOptions& options) {
  auto config = options.load();
  if (!config) return fail(config.error());
  const auto run = node::load_run(std::move(*config));
  if (!run) return fail(run.error());
  for (std::size_t i = 0; i < run->topology.nodes(); ++i) {
    if (const auto fits = node::check_means(*run, node_id(i)); !fits) return fail(fits.error());
  }
  if (options.json) {
    Json fields = Json::object();
    for (const FingerprintField& field : node::fingerprint_of(*run)) {
      fields[field.name] = field.value;
    }
    Json json{{"ok", true}, {"fingerprint", fields}, {"operator", node::operator_summary(*run)}};
    const auto [name, memory] = largest_forecast(*run);
    json["memory"] = {{"node", name}, {"bytes", memory.bytes()}, {"parts", Json::object()}};
    for (const node::MemoryPart& part : memory.parts) {
      json["memory"]["parts"][part.name] = part.bytes;
    }
    std::printf("%s\n", json.dump().c_str());
    return 0;
  }
  std::printf("%s is good\n", options.file.c_str());
  for (const FingerprintField& field : node::fingerprint_of(*run)) {
    std::printf("  %-10s %s\n", field.name.c_str(), field.value.c_str());
  }
  std::printf("%s\n", node::operator_summary(*run).c_str());
  const auto [name, memory] = largest_forecast(*run);
  std::printf("%s takes %s\n", name.c_str(), memory.sentence().c_str());
  return 0;
}

int keys(bool json) {
  if (json) {
    Json list = Json::array();
    for (const node::KeyDocumentation& key : node::documented_keys()) {
      list.push_back({{"section", key.section},
                      {"key", key.key},
                      {"type", key.type},
                      {"default", key.fallback},
                      {"text", key.text}});
    }
    std::printf("%s\n", list.dump().c_str());
    return 0;
  }
  std::string section;
  for (const node::KeyDocumentation& key : node::documented_keys()) {
    if (key.section != section) std::printf("[%s]\n", key.section.c_str());
    section = key.section;
    std::printf("  %s (%s; default %s)\n      %s\n", key.key.c_str(), key.type.c_str(),
                key.fallback.c_str(), key.text.c_str());
  }
  return 0;
}

}  // namespace

void add_topology(CommandLine line, Verb& chosen) {
  auto options = std::make_shared<RunFileOptions>();
  CommandLine verb =
      line.add_verb("topology", "Nodes, edges, weights and spectral gap of a run file");
  options->add_to(verb);
  verb.option("run_file").required(false);
  add_topology_generate(verb, chosen);
  verb.when_chosen([options, verb, &chosen] {
    if (verb.has_chosen_verb()) return;  // that one is meant
    if (options->file.empty()) refuse_missing("run_file");
    chosen = [options] { return topology(*options); };
  });
}

void add_config(CommandLine line, Verb& chosen) {
  CommandLine verb = line.add_verb("config", "What a run file says");
  verb.require_verb();
  auto options = std::make_shared<RunFileOptions>();
  CommandLine check_verb = verb.add_verb("check", "Check a run file and the data that it names");
  options->add_to(check_verb);
  check_verb.when_chosen([options, &chosen] { chosen = [options] { return check(*options); }; });
  add_config_show(verb, chosen);
  add_config_diff(verb, chosen);
  auto json = std::make_shared<bool>(false);
  CommandLine keys_verb = verb.add_verb("keys", "Every key of a run file");
  keys_verb.add_flag("--json", *json, "print as JSON");
  keys_verb.when_chosen([json, &chosen] { chosen = [json] { return keys(*json); }; });
}

}  // namespace starling::daemon
