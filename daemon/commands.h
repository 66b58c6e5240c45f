// The verbs of `starling`: each adds its words to the command line and sets what is to be run.
#pragma once

#include <functional>

#include "daemon/command_line.h"

namespace starling::daemon {

// Run after the command line was read; returns the exit code.
using Verb = std::function<int()>;

void add_up(CommandLine line, Verb& chosen);
void add_simulate(CommandLine line, Verb& chosen);
void add_status(CommandLine line, Verb& chosen);
void add_peers(CommandLine line, Verb& chosen);
void add_stop(CommandLine line, Verb& chosen);
void add_leave(CommandLine line, Verb& chosen);
void add_checkpoint(CommandLine line, Verb& chosen);
void add_reload(CommandLine line, Verb& chosen);
void add_topology(CommandLine line, Verb& chosen);
void add_config(CommandLine line, Verb& chosen);
void add_report(CommandLine line, Verb& chosen);
void add_bench(CommandLine line, Verb& chosen);
void add_advise(CommandLine line, Verb& chosen);
// Words behind `topology` and `config`.
void add_topology_generate(CommandLine topology, Verb& chosen);
void add_config_show(CommandLine config, Verb& chosen);
void add_config_diff(CommandLine config, Verb& chosen);
void add_watch(CommandLine line, Verb& chosen);
void add_metrics(CommandLine line, Verb& chosen);
void add_monitor(CommandLine line, Verb& chosen);
void add_ping(CommandLine line, Verb& chosen);
void add_check(CommandLine line, Verb& chosen);
void add_pause(CommandLine line, Verb& chosen);
void add_resume(CommandLine line, Verb& chosen);
void add_export(CommandLine line, Verb& chosen);
void add_version(CommandLine line, Verb& chosen);
void add_completion(CommandLine line, Verb& chosen);
void add_man(CommandLine line, Verb& chosen);
void add_keygen(CommandLine line, Verb& chosen);
void add_id(CommandLine line, Verb& chosen);

}  // namespace starling::daemon
