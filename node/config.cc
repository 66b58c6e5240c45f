#include "node/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "node/config_keys.h"
#include "node/config_loader.h"
#include "node/config_names.h"
#include "node/config_text.h"

namespace starling::node {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileBytesMax = 1 << 20;

Error too_large(const std::string& name) {
  return config_error(
      fmt::format("{}: found a file over {} bytes, expected a run file; is it the data set?", name,
                  kFileBytesMax));
}

Result<std::string> read_file(const fs::path& file) {
  const std::string name = file.string();
  std::error_code failure;
  const fs::file_status status = fs::status(file, failure);
  if (status.type() == fs::file_type::not_found) {
    return config_error(fmt::format("{}: no such file, expected a run file", name));
  }
  if (failure) return config_error(fmt::format("{}: {}", name, failure.message()));
  if (fs::is_directory(status)) {
    return config_error(fmt::format("{}: found a directory, expected a run file", name));
  }
  // A pipe could keep us waiting for ever.
  if (!fs::is_regular_file(status)) {
    return config_error(fmt::format("{}: found no regular file, expected a run file", name));
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return config_error(fmt::format("{}: cannot be opened: {}", name, std::strerror(errno)));
  }
  std::string text(kFileBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return config_error(fmt::format("{}: cannot be read", name));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kFileBytesMax) return too_large(name);
  return text;
}

std::vector<StatedKey> stated_keys(const Draft& draft) {
  std::vector<StatedKey> stated;
  for (const Key& key : all_keys()) {
    if (key.section == "topology" || key.section == "node") continue;
    stated.push_back({key.section, key.name, key.show(draft), draft.where(key.section, key.name),
                      draft.given(key.section + "." + key.name)});
  }
  return stated;
}

}  // namespace

Result<Config> load_config(const fs::path& file, const std::vector<std::string>& overrides) {
  Result<std::string> text = read_file(file);
  if (!text) return text.error();
  return parse_config(*text, file, file.parent_path(), overrides);
}

Result<Config> parse_config(std::string_view text, const fs::path& name, const fs::path& base,
                            const std::vector<std::string>& overrides) {
  if (text.size() > kFileBytesMax) return too_large(name.string());
  Result<Table> root = parse_text(text, name.string());
  if (!root) return root.error();
  if (Result<void> applied = apply_overrides(*root, overrides); !applied) return applied.error();
  Draft draft;
  draft.config.file = name;
  draft.base = base;
  if (Result<void> read = read_sections(draft, *root); !read) return read.error();
  if (Result<void> checked = check_relations(draft); !checked) return checked.error();
  if (Result<void> built = build_topology(draft); !built) return built.error();
  if (Result<void> checked = check_metrics(draft); !checked) return checked.error();
  draft.config.stated = stated_keys(draft);
  return std::move(draft.config);
}

Result<NodeId> find_node(const Config& config, std::string_view name) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < config.nodes.size(); ++i) {
    if (config.nodes[i].name == name) return node_id(i);
    names.push_back(config.nodes[i].name);
  }
  const std::string near = nearest(name, names);
  const std::string hint = near.empty() ? "" : fmt::format("did you mean \"{}\"? ", near);
  return config_error(fmt::format("{}: no node is called \"{}\"; {}the nodes are {}",
                                  config.file.string(), shown(name), hint, listed(names)));
}

Result<NodeId> find_present_node(const Config& config, std::string_view name) {
  const Result<NodeId> found = find_node(config, name);
  if (!found || !config.nodes[index_of(*found)].left) return found;
  return config_error(
      fmt::format("{}: [[node]] left: node \"{}\" has left the run; expected one that has not, or "
                  "remove left = true at every node to take it back",
                  config.file.string(), shown(name)));
}

std::string place_of(const Config& config, std::string_view section, std::string_view key) {
  const auto is_it = [&](const StatedKey& one) { return one.section == section && one.key == key; };
  const auto stated = std::ranges::find_if(config.stated, is_it);
  return stated == config.stated.end() ? config.file.string() : stated->where;
}

const std::vector<KeyDocumentation>& documented_keys() {
  static const std::vector<KeyDocumentation> documentation = [] {
    std::vector<KeyDocumentation> out;
    const Draft defaults;
    for (const Key& key : all_keys()) {
      const std::string fallback = key.show(defaults);
      out.push_back(
          {key.section, key.name, key.type, fallback.empty() ? "none" : fallback, key.text});
    }
    return out;
  }();
  return documentation;
}

}  // namespace starling::node
