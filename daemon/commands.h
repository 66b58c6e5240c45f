// The verbs of `starling`: each adds its words to the command line and sets what is to be run.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace starling::daemon {

// Run after the command line was read; returns the exit code.
using Verb = std::function<int()>;

void add_up(CLI::App& app, Verb& chosen);
void add_simulate(CLI::App& app, Verb& chosen);
void add_status(CLI::App& app, Verb& chosen);
void add_peers(CLI::App& app, Verb& chosen);
void add_stop(CLI::App& app, Verb& chosen);
void add_checkpoint(CLI::App& app, Verb& chosen);
void add_topology(CLI::App& app, Verb& chosen);
void add_config(CLI::App& app, Verb& chosen);
void add_bench(CLI::App& app, Verb& chosen);

}  // namespace starling::daemon
