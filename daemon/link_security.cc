#include "daemon/link_security.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "daemon/state_dir.h"
#include "daemon/text_file.h"

namespace starling::daemon {
namespace {

namespace fs = std::filesystem;

// "NAME sha256:…" a line.
fs::path list_of(const fs::path& state_dir) { return state_dir / "keys"; }

Result<KeyPin> key_of(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(file, ignored))) {
    const auto made = peer::create_key_file(file);
    if (made) return made.value().pin();
    // Another daemon of this state directory may have been faster.
    if (!fs::exists(file, ignored)) return made.error();
  }
  const auto read = peer::read_key_file(file);
  if (!read) return read.error();
  return read.value().key.pin();
}

Result<std::map<std::string, KeyPin>> read_list(const fs::path& file) {
  std::map<std::string, KeyPin> keys;
  std::ifstream in(file);
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    std::istringstream words(line);
    std::string name, text;
    words >> name >> text;
    const auto pin = parse_key_pin(text);
    if (!pin) {
      return Error{ErrorCode::config,
                   fmt::format("{}:{}: found \"{}\", expected a node's name and the fingerprint of "
                               "its key ({}); `starling up` makes this file anew",
                               file.string(), number, line, pin.error().message)};
    }
    keys[name] = *pin;
  }
  return keys;
}

}  // namespace

bool pins_keys(const node::Config& config) { return !config.nodes.front().keys.empty(); }

Result<void> make_keys(const node::Config& config, const fs::path& state_dir) {
  if (pins_keys(config)) return {};
  std::string list;
  for (const node::NodeEntry& entry : config.nodes) {
    const NodePaths paths = paths_of(state_dir, entry.name);
    if (auto made = make_private_directory(paths.dir); !made) return made;
    const auto pin = key_of(paths.key());
    if (!pin) return pin.error();
    list += fmt::format("{} {}\n", entry.name, text_of(*pin));
  }
  return write_text(list_of(state_dir), list);
}

void forget_made_keys(const fs::path& state_dir) {
  std::error_code ignored;
  fs::remove(list_of(state_dir), ignored);
}

Result<void> take_made_keys(node::Config& config, const fs::path& state_dir) {
  std::error_code gone;
  if (pins_keys(config) || !fs::exists(list_of(state_dir), gone)) return {};
  auto keys = read_list(list_of(state_dir));
  if (!keys) return keys.error();
  const bool complete = std::ranges::all_of(config.nodes, [&](const node::NodeEntry& entry) {
    return keys.value().contains(entry.name);
  });
  if (!complete) {
    if (const auto made = make_keys(config, state_dir); !made) return made;
    keys = read_list(list_of(state_dir));
    if (!keys) return keys.error();
  }
  for (node::NodeEntry& entry : config.nodes) entry.keys = {keys.value().at(entry.name)};
  return {};
}

Result<LinkSecurity> secure_links(const node::Config& config, NodeId self,
                                  const fs::path& key_file) {
  LinkSecurity security;
  if (!pins_keys(config)) return security;
  auto read = peer::read_key_file(key_file);
  if (!read) return read.error();
  const node::NodeEntry& entry = config.nodes[index_of(self)];
  const KeyPin pin = read.value().key.pin();
  if (std::ranges::find(entry.keys, pin) == entry.keys.end()) {
    std::vector<std::string> pinned;
    for (const KeyPin& key : entry.keys) pinned.push_back(text_of(key));
    return Error{
        ErrorCode::config,
        fmt::format("{}: is the key {}, but the run pins {} for {}; name its key with "
                    "--key, or write the fingerprint into the run file of every node",
                    key_file.string(), text_of(pin), fmt::join(pinned, " or "), entry.name)};
  }
  if (!read.value().warning.empty()) security.warnings.push_back(read.value().warning);
  security.tls = std::make_shared<const peer::Tls>(read.value().key);
  return security;
}

}  // namespace starling::daemon
