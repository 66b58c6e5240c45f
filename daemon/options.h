// What every command that reads a run file takes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "daemon/command_line.h"
#include "node/config.h"
#include "protocol/result.h"

namespace starling::daemon {

struct RunFileOptions {
  std::filesystem::path file;
  std::vector<std::string> overrides;  // --set section.key=value
  std::filesystem::path state;         // --state DIR; empty: the default below the user's
  bool json = false;
  bool fresh = false;                    // --fresh
  std::optional<double> until_accuracy;  // --until-accuracy; replaces the run file's key

  // RUN.toml, --set, --state and --json on `line`.
  void add_to(CommandLine line);
  // --fresh, for what starts daemons.
  void add_fresh_to(CommandLine line);
  // --until-accuracy, for the verbs that run a flock.
  void add_until_accuracy_to(CommandLine line);
  Result<node::Config> load() const;
  // The run's state directory.
  std::filesystem::path state_dir(const node::Config& config) const;
};

// Prints "PROGRAM: MESSAGE" on standard error; returns the exit code of the error's kind.
int fail(const Error& error);

// "10ms", "1.5s", "100us" or "2min". Fails with ErrorCode::config.
Result<Duration> parse_duration(const std::string& text);
// "100mbit", "1gbit", "64kbit": bytes a second.
Result<double> parse_rate(const std::string& text);
// "25M", "100k", "4096": floats of a model, from 1 to 512 Mi.
Result<std::size_t> parse_size(const std::string& text);

}  // namespace starling::daemon
