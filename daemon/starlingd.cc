// starlingd RUN.toml --node NAME: one node of a run.
#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "daemon/command_line.h"
#include "daemon/daemon.h"
#include "daemon/link_security.h"
#include "daemon/log.h"
#include "daemon/manual.h"
#include "daemon/options.h"
#include "daemon/version.h"

namespace {

using namespace starling;

struct Arguments {
  daemon::RunFileOptions run_file;
  std::string node;
  daemon::LogFormat log_format = daemon::LogFormat::text;
  std::string log_level = "info";
  std::filesystem::path key_file, monitor_socket;
  std::string monitor_group;

  daemon::DaemonOptions daemon_options(NodeId self, const node::Config& config) const {
    return {.self = self,
            .state_dir = run_file.state_dir(config),
            .fresh = run_file.fresh,
            .overrides = run_file.overrides,
            .key_file = key_file,
            .monitor_socket = monitor_socket,
            .monitor_group = monitor_group};
  }
};

// glibc would raise the first bound to the size of a model once one was freed, and hold back twice
// as much: vectors as large as models then leave holes in the heap. Fixed, what is freed is gone.
void give_freed_memory_back() {
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 4 << 20);
}

int run(const Arguments& arguments) {
  auto config = arguments.run_file.load();
  if (!config) return daemon::fail(config.error());
  const auto self = node::find_present_node(*config, arguments.node);
  if (!self) return daemon::fail(self.error());
  const daemon::DaemonOptions options = arguments.daemon_options(*self, *config);
  if (const auto taken = daemon::take_made_keys(*config, options.state_dir); !taken) {
    return daemon::fail(taken.error());
  }
  const auto run = node::load_run(std::move(*config));
  if (!run) return daemon::fail(run.error());
  const auto log = daemon::make_log(arguments.log_format, arguments.log_level, arguments.node);
  const auto report = daemon::run_daemon(*run, options, log);
  if (!report) return daemon::fail(report.error());
  if (arguments.run_file.json) std::printf("%s\n", node::to_json(*report).dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  give_freed_memory_back();
  daemon::Program line{
      "One node of a Starling run: trains on its own data and exchanges model differences "
      "with its neighbors"};
  Arguments arguments;
  arguments.run_file.add_to(line);
  arguments.run_file.add_fresh_to(line);
  line.add_option("--node", arguments.node, "this machine's name in the run file")
      .required()
      .type_name("NAME");
  line.add_option("--key", arguments.key_file,
                  "the node's key; without it node.key in the node's state directory")
      .environment("STARLING_KEY")
      .type_name("FILE");
  line.add_option("--monitor-socket", arguments.monitor_socket,
                  "a second control socket that answers status, peers, metrics and monitor alone")
      .environment("STARLING_MONITOR_SOCKET")
      .type_name("PATH");
  line.add_option("--monitor-group", arguments.monitor_group, "whose members may ask there")
      .environment("STARLING_MONITOR_GROUP")
      .type_name("GROUP");
  line.add_option("--log-format", arguments.log_format, "text or json")
      .one_of(std::map<std::string, daemon::LogFormat>{{"text", daemon::LogFormat::text},
                                                       {"json", daemon::LogFormat::json}})
      .type_name("FORMAT");
  line.add_option("--log-level", arguments.log_level, "debug, info, warn or error")
      .one_of({"debug", "info", "warn", "error"})
      .type_name("LEVEL");
  line.add_version_flag(daemon::version());
  line.add_ending_flag(
      "--man", [&line] { std::fputs(daemon::manual_page(line, "starlingd").c_str(), stdout); },
      "print the manual page, to be read with `man -l -`");
  if (const auto ended = line.read(argc, argv)) return *ended;
  return run(arguments);
}
