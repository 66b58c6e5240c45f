#include "daemon/options.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <utility>

#include "daemon/state_dir.h"
#include "node/config_names.h"

namespace starling::daemon {
namespace {

// A number and its unit, scaled; nothing where the text is not one of them.
std::optional<double> scaled(const std::string& text,
                             const std::vector<std::pair<std::string, double>>& units) {
  std::size_t used = 0;
  double number = 0;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  for (const auto& [unit, scale] : units) {
    if (text.substr(used) == unit && number >= 0 && std::isfinite(number)) return number * scale;
  }
  return std::nullopt;
}

}  // namespace

void RunFileOptions::add_to(CommandLine line) {
  line.add_option("run_file", file, "the run file").required().type_name("RUN.toml");
  line.add_option("--set", overrides, "replace one key of the run file")
      .type_name("SECTION.KEY=VALUE")
      .one_value();
  line.add_option("--state", state, "where the run keeps its state").type_name("DIR");
  line.add_flag("--json", json, "print results as JSON");
}

void RunFileOptions::add_fresh_to(CommandLine line) {
  line.add_flag("--fresh", fresh,
                "begin anew, not from checkpoints; those that are there are renamed");
}

void RunFileOptions::add_until_accuracy_to(CommandLine line) {
  line.add_option("--until-accuracy", until_accuracy,
                  "end at the first evaluation at which the worst node has this accuracy")
      .range(0.0, 1.0)
      .type_name("A");
}

Result<node::Config> RunFileOptions::load() const {
  auto config = node::load_config(file, overrides);
  if (config && until_accuracy) config->run.until_accuracy = until_accuracy;
  return config;
}

std::filesystem::path RunFileOptions::state_dir(const node::Config& config) const {
  return state.empty() ? default_state_dir(config.run.name) : std::filesystem::absolute(state);
}

int fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return static_cast<int>(error.code);
}

Result<Duration> parse_duration(const std::string& text) {
  const auto seconds = scaled(text, {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"min", 60}});
  constexpr double kLongest = 1e9;  // what fits into nanoseconds
  if (!seconds || *seconds > kLongest) {
    return Error{ErrorCode::config, fmt::format("found the time '{}', expected a number with us, "
                                                "ms, s or min, such as 10ms",
                                                text)};
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
}

Result<double> parse_rate(const std::string& text) {
  const auto rate = node::rate_of(text);
  if (!rate || *rate == 0) {
    return Error{ErrorCode::config, fmt::format("found the rate '{}', expected a number with kbit, "
                                                "mbit or gbit, such as 100mbit",
                                                text)};
  }
  return *rate;
}

Result<std::size_t> parse_size(const std::string& text) {
  constexpr double kLargest = 1 << 29;  // 2 GiB, and an operator may need some times as much
  const auto size = scaled(text, {{"", 1}, {"k", 1e3}, {"M", 1e6}});
  if (!size || *size < 1 || *size > kLargest || *size != std::floor(*size)) {
    return Error{ErrorCode::config,
                 fmt::format("found the size '{}', expected a whole number of floats from 1 to "
                             "{:.0f}, such as 25M, 100k or 4096",
                             text, kLargest)};
  }
  return static_cast<std::size_t>(*size);
}

}  // namespace starling::daemon
