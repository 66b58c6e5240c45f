#include "daemon/variants.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "gossip/algorithms.h"
#include "node/config_text.h"

namespace starling::daemon {
namespace {

// At commas outside of quotes and brackets, so that a value may be an array.
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  char quote = 0;
  for (const char c : text) {
    if (quote) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    }
    if (c == ',' && !quote && depth <= 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// An override that a flag stands for, and how a person typed that.
struct Flag {
  std::string override, typed;
};

// A message about "--set OVERRIDE" that a person never typed names the flag instead.
Error named_as(Error error, const Flag& flag) {
  const std::string set = fmt::format("--set {}", node::shown(flag.override));
  if (error.message.starts_with(set)) error.message.replace(0, set.size(), flag.typed);
  return error;
}

Result<Flag> compare_flag(const std::string& text) {
  std::vector<std::string> quoted;
  for (const std::string& name : split(text)) {
    const bool plain = !name.empty() && std::ranges::all_of(name, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_';
    });
    if (!plain) {
      return config_error(fmt::format(
          "--compare {}: found '{}', expected names of algorithms with commas between, such as "
          "d-psgd,powergossip",
          node::shown(text), node::shown(name)));
    }
    quoted.push_back(fmt::format("\"{}\"", name));
  }
  return Flag{fmt::format("run.compare=[{}]", fmt::join(quoted, ",")),
              fmt::format("--compare {}", node::shown(text))};
}

// One for each value.
Result<std::vector<Flag>> sweep_flags(const std::string& text) {
  const std::string where = fmt::format("--sweep {}", node::shown(text));
  const auto equals = text.find('=');
  const std::string key = text.substr(0, equals);
  if (equals == text.npos || key.find('.') == key.npos) {
    return config_error(
        fmt::format("{}: expected section.key=value,value, such as gossip.gamma=0.1,0.3", where));
  }
  std::vector<Flag> flags;
  for (const std::string& value : split(text.substr(equals + 1))) {
    const std::string override = fmt::format("{}={}", key, value);
    if (value.empty()) {
      return config_error(
          fmt::format("{}: found an empty value, expected one between any two commas", where));
    }
    if (std::ranges::any_of(flags, [&](const Flag& f) { return f.override == override; })) {
      return config_error(
          fmt::format("{}: found {} twice, expected different values", where, node::shown(value)));
    }
    flags.push_back({override, fmt::format("--sweep {}", node::shown(override))});
  }
  return flags;
}

// Whether variants of one key share graph, data and model.
bool keeps_problem(const std::string& override) {
  return override.starts_with("gossip.") || override.starts_with("compress.");
}

Result<node::Config> load(RunFileOptions run_file, const std::vector<Flag>& flags) {
  for (const Flag& flag : flags) run_file.overrides.push_back(flag.override);
  auto config = run_file.load();
  if (config) return config;
  Error error = config.error();
  for (const Flag& flag : flags) error = named_as(std::move(error), flag);
  return error;
}

Result<void> check_sweep(const std::string& sweep, const node::Config& config) {
  if (!sweep.starts_with("gossip.algorithm=") || config.run.compare.empty()) return {};
  return config_error(
      fmt::format("--sweep {}: found beside a comparison of {}, which sets the algorithm; name "
                  "all of them with --compare, or --set run.compare=[]",
                  node::shown(sweep), gossip::traits_of(config.run.compare.front()).name));
}

// Beside others that take the file's operator, one that has a coding of its own goes without.
std::vector<Variant> compared_in_one_process(const node::Config& config) {
  std::vector<Variant> variants = compared(config);
  for (Variant& variant : variants) {
    const bool takes_none = !gossip::traits_of(variant.config.gossip.algorithm).takes_operator();
    if (takes_none && !config.run.compare.empty()) variant.config.compress = {};
  }
  return variants;
}

}  // namespace

std::vector<Variant> compared(const node::Config& config) {
  std::vector<gossip::AlgorithmKind> algorithms = config.run.compare;
  if (algorithms.empty()) algorithms = {config.gossip.algorithm};
  std::vector<Variant> variants;
  for (const gossip::AlgorithmKind algorithm : algorithms) {
    node::Config one = config;
    one.gossip.algorithm = algorithm;
    variants.push_back(
        {gossip::traits_of(algorithm).name, std::move(one), algorithm == config.gossip.algorithm});
  }
  return variants;
}

Result<std::vector<Variant>> variants_of(const RunFileOptions& run_file,
                                         const VariantOptions& options) {
  std::vector<Flag> common;
  if (!options.compare.empty()) {
    const auto flag = compare_flag(options.compare);
    if (!flag) return flag.error();
    common = {*flag};
  }
  if (options.sweep.empty()) {
    const auto config = load(run_file, common);
    if (!config) return config.error();
    return compared_in_one_process(*config);
  }
  const auto flags = sweep_flags(options.sweep);
  if (!flags) return flags.error();
  std::vector<Variant> variants;
  for (std::size_t i = 0; i < flags->size(); ++i) {
    std::vector<Flag> all = common;
    all.push_back((*flags)[i]);
    const auto config = load(run_file, all);
    if (!config) return config.error();
    if (auto checked = check_sweep(options.sweep, *config); !checked) return checked.error();
    for (Variant& variant : compared_in_one_process(*config)) {
      const std::string& value = (*flags)[i].override;
      variant.label = config->run.compare.empty() ? value : variant.label + " " + value;
      variant.problem = keeps_problem(value) ? 0 : i;
      variants.push_back(std::move(variant));
    }
  }
  return variants;
}

}  // namespace starling::daemon
