#include "daemon/command_words.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace starling::daemon {
namespace {

OptionWords words_of(const CLI::Option& option) {
  OptionWords words;
  for (const std::string& name : option.get_snames()) words.flags.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) words.flags.push_back("--" + name);
  const bool takes_value = option.get_items_expected_max() > 0;
  if (takes_value) words.value = option.get_type_name();
  words.text = option.get_description();
  words.environment = option.get_envname();
  words.required = option.get_required();
  return words;
}

void add_words_of(const CLI::App& app, const std::string& path, std::vector<VerbWords>& all) {
  VerbWords words{path, app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options()) words.options.push_back(words_of(*option));
  std::ranges::stable_partition(words.options,
                                [](const OptionWords& o) { return o.flags.empty(); });
  const auto verbs = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* verb : verbs) words.verbs.push_back(verb->get_name());
  all.push_back(std::move(words));
  for (const CLI::App* verb : verbs) {
    add_words_of(*verb, path.empty() ? verb->get_name() : path + ' ' + verb->get_name(), all);
  }
}

}  // namespace

std::vector<VerbWords> words_of(CommandLine program) {
  std::vector<VerbWords> all;
  add_words_of(program.app(), "", all);
  return all;
}

std::string synopsis_of(const VerbWords& verb, const std::string& program) {
  std::string text = program;
  if (!verb.path.empty()) text += ' ' + verb.path;
  bool optional = false;
  for (const OptionWords& option : verb.options) {
    if (option.flags.empty()) {
      text += option.required ? ' ' + option.value : " [" + option.value + ']';
    } else if (option.required) {
      text += ' ' + option.flags.back() + ' ' + option.value;
    } else {
      optional = true;
    }
  }
  if (!verb.verbs.empty()) text += " VERB";
  return optional ? text + " [OPTION]…" : text;
}

}  // namespace starling::daemon
