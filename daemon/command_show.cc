// starling config show, starling config diff: run files as they are understood.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/commands.h"
#include "daemon/options.h"
#include "node/config_show.h"

namespace starling::daemon {
namespace {

using Json = nlohmann::ordered_json;

struct ShowOptions {
  RunFileOptions run_file;
  bool effective = false;
};

int show(const ShowOptions& options) {
  const auto config = options.run_file.load();
  if (!config) return fail(config.error());
  if (!options.run_file.json) {
    fmt::print("{}", node::config_text(*config, options.effective));
    return 0;
  }
  Json list = Json::array();
  for (const node::ShownKey& key : node::shown_keys(*config)) {
    if (!key.given && !options.effective) continue;
    list.push_back(
        {{"section", key.section}, {"key", key.key}, {"value", key.value}, {"given", key.given}});
  }
  fmt::print("{}\n", list.dump());
  return 0;
}

struct DiffOptions {
  std::filesystem::path before, after;
  bool json = false;
};

struct Difference {
  std::string key, before, after;  // "[train] batch"; empty: unset, or not taken
};

std::vector<Difference> differences(const node::Config& before, const node::Config& after) {
  const auto name_of = [](const node::ShownKey& key) {
    return key.section == "node" ? fmt::format("[[node]] {}", key.key)
                                 : fmt::format("[{}] {}", key.section, key.key);
  };
  std::map<std::string, std::string> was;
  for (const node::ShownKey& key : node::shown_keys(before)) was[name_of(key)] = key.value;
  std::vector<Difference> found;
  for (const node::ShownKey& key : node::shown_keys(after)) {
    const auto at = was.extract(name_of(key));
    const std::string old = at ? at.mapped() : std::string();
    if (old != key.value) found.push_back({name_of(key), old, key.value});
  }
  for (const auto& [key, value] : was) {
    if (!value.empty()) found.push_back({key, value, ""});
  }
  return found;
}

// As diff(1): 0 where they mean the same, 1 where they do not.
int diff(const DiffOptions& options) {
  const auto before = node::load_config(options.before, {});
  if (!before) return fail(before.error());
  const auto after = node::load_config(options.after, {});
  if (!after) return fail(after.error());
  const std::vector<Difference> found = differences(*before, *after);
  if (options.json) {
    Json list = Json::array();
    for (const Difference& d : found) {
      list.push_back({{"key", d.key}, {"before", d.before}, {"after", d.after}});
    }
    fmt::print("{}\n", list.dump());
  } else {
    const auto shown = [](const std::string& value) { return value.empty() ? "nothing" : value; };
    for (const Difference& d : found) {
      fmt::print("{}: {}, then {}\n", d.key, shown(d.before), shown(d.after));
    }
  }
  return found.empty() ? 0 : 1;
}

}  // namespace

void add_config_show(CommandLine config, Verb& chosen) {
  auto options = std::make_shared<ShowOptions>();
  CommandLine verb = config.add_verb("show", "A run file that says the same, as understood");
  options->run_file.add_to(verb);
  verb.add_flag("--effective", options->effective, "every key, those at their defaults as well");
  verb.when_chosen([options, &chosen] { chosen = [options] { return show(*options); }; });
}

void add_config_diff(CommandLine config, Verb& chosen) {
  auto options = std::make_shared<DiffOptions>();
  CommandLine verb = config.add_verb(
      "diff", "In what two run files differ, defaults included; exit code 1 where they do");
  verb.add_option("before", options->before, "a run file").required().type_name("A.toml");
  verb.add_option("after", options->after, "another").required().type_name("B.toml");
  verb.add_flag("--json", options->json, "print as JSON");
  verb.when_chosen([options, &chosen] { chosen = [options] { return diff(*options); }; });
}

}  // namespace starling::daemon
