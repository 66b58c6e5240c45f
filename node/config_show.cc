#include "node/config_show.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "compress/options.h"
#include "node/config_keys.h"

namespace starling::node {
namespace {

std::string in_quotes(const std::string& text) {
  std::string out(1, '"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool is_path(const std::string& section, const std::string& name) {
  return std::ranges::any_of(all_keys(), [&](const Key& key) {
    return key.section == section && key.name == name && key.type == "a path";
  });
}

std::string value_of(const StatedKey& key) {
  if (key.value.empty() || !is_path(key.section, key.key)) return key.value;
  return in_quotes(std::filesystem::absolute(key.value).lexically_normal().string());
}

std::vector<ShownKey> operator_keys(const compress::OperatorOptions& options, bool inside);

// The operator inside an operator, as an inline table.
std::string table_of(const compress::OperatorOptions& options) {
  std::vector<std::string> parts;
  for (const ShownKey& key : operator_keys(options, true)) {
    if (!key.value.empty()) parts.push_back(fmt::format("{} = {}", key.key, key.value));
  }
  return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

// What the operator takes; one inside another has no scope of its own.
std::vector<ShownKey> operator_keys(const compress::OperatorOptions& options, bool inside) {
  Draft draft;
  draft.op = options;
  const auto& taken = compress::keys_of(options.kind);
  std::vector<ShownKey> shown;
  for (const Key& key : all_keys()) {
    if (key.section != "compress") continue;
    if (inside && key.name == "scope") continue;
    const bool is_down = key.name == "down" && !options.down.empty();
    if (key.name != "operator" && !is_down && std::ranges::find(taken, key.name) == taken.end()) {
      continue;
    }
    std::string value = key.show(draft);
    if (key.part) {
      const auto& inner = options.*key.part;
      value = inner.empty() ? std::string() : table_of(inner.front());
    }
    shown.push_back({"compress", key.name, std::move(value), false});
  }
  return shown;
}

std::string edges_of(const Config& config) {
  std::vector<std::string> pairs;
  for (const auto& [a, b] : config.topology.edges) {
    pairs.push_back(
        fmt::format("[{}, {}]", in_quotes(config.nodes[a].name), in_quotes(config.nodes[b].name)));
  }
  return fmt::format("[{}]", fmt::join(pairs, ", "));
}

void show_topology(const Config& config, std::vector<ShownKey>& out) {
  const gossip::TopologyKind kind = config.topology.kind;
  out.push_back({"topology", "kind", in_quotes(gossip::name_of(kind)), true});
  if (!config.topology.edges.empty()) out.push_back({"topology", "edges", edges_of(config), true});
  if (kind == gossip::TopologyKind::random_regular) {
    out.push_back({"topology", "degree", fmt::format("{}", config.topology.degree), true});
  }
}

void show_nodes(const Config& config, std::vector<ShownKey>& out) {
  for (const NodeEntry& node : config.nodes) {
    const auto add = [&](const char* key, std::string value) {
      out.push_back({"node", fmt::format("{} {}", node.name, key), std::move(value), true});
    };
    add("address", in_quotes(node.address));
    std::vector<std::string> keys;
    for (const KeyPin& key : node.keys) keys.push_back(in_quotes(text_of(key)));
    if (!keys.empty()) add("keys", fmt::format("[{}]", fmt::join(keys, ", ")));
    if (node.left) add("left", "true");
    if (node.participation < 1) add("participation", fmt::format("{}", node.participation));
  }
}

std::string nodes_text(const std::vector<ShownKey>& keys) {
  std::string text, before;
  for (const ShownKey& key : keys) {
    if (key.section != "node") continue;
    const auto space = key.key.find(' ');
    const std::string name = key.key.substr(0, space);
    if (name != before) text += fmt::format("\n[[node]]\nname = {}\n", in_quotes(name));
    before = name;
    text += fmt::format("{} = {}\n", key.key.substr(space + 1), key.value);
  }
  return text;
}

}  // namespace

std::vector<ShownKey> shown_keys(const Config& config) {
  std::vector<ShownKey> shown;
  for (const std::string& section : section_names()) {
    if (section == "topology") show_topology(config, shown);
    if (section == "node") show_nodes(config, shown);
    if (section == "compress") {
      for (ShownKey& key : operator_keys(config.compress, false)) shown.push_back(std::move(key));
    }
    for (const StatedKey& key : config.stated) {
      if (key.section != section) continue;
      if (section != "compress") {
        shown.push_back({key.section, key.key, value_of(key), key.given});
        continue;
      }
      const auto at = std::ranges::find_if(
          shown, [&](const ShownKey& one) { return one.section == section && one.key == key.key; });
      if (at != shown.end()) at->given = key.given;
    }
  }
  return shown;
}

std::string config_text(const Config& config, bool effective) {
  const std::vector<ShownKey> keys = shown_keys(config);
  std::string text;
  for (const std::string& section : section_names()) {
    if (section == "node") {
      text += nodes_text(keys);
      continue;
    }
    std::string lines;
    for (const ShownKey& key : keys) {
      if (key.section != section || !(key.given || effective)) continue;
      lines += key.value.empty() ? fmt::format("# {} is not set\n", key.key)
                                 : fmt::format("{} = {}\n", key.key, key.value);
    }
    if (lines.empty()) continue;
    text += fmt::format("{}[{}]\n{}", text.empty() ? "" : "\n", section, lines);
  }
  return text;
}

}  // namespace starling::node
