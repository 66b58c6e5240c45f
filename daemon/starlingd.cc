// starlingd RUN.toml --node NAME: one node of a run.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/options.h"

namespace {

using namespace starling;

struct Arguments {
  daemon::RunFileOptions run_file;
  std::string node;
  daemon::LogFormat log_format = daemon::LogFormat::text;
  std::string log_level = "info";
};

int run(const Arguments& arguments) {
  auto config = arguments.run_file.load();
  if (!config) return daemon::fail(config.error());
  const auto self = node::find_node(*config, arguments.node);
  if (!self) return daemon::fail(self.error());
  const daemon::DaemonOptions options{.self = *self,
                                      .state_dir = arguments.run_file.state_dir(*config),
                                      .fresh = arguments.run_file.fresh};
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
  CLI::App app{
      "One node of a Starling run: trains on its own data and exchanges model differences "
      "with its neighbors"};
  Arguments arguments;
  arguments.run_file.add_to(app);
  arguments.run_file.add_fresh_to(app);
  app.add_option("--node", arguments.node, "this machine's name in the run file")
      ->required()
      ->type_name("NAME");
  app.add_option("--log-format", arguments.log_format, "text or json")
      ->transform(CLI::CheckedTransformer(std::map<std::string, daemon::LogFormat>{
          {"text", daemon::LogFormat::text}, {"json", daemon::LogFormat::json}}))
      ->type_name("FORMAT");
  app.add_option("--log-level", arguments.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->type_name("LEVEL");
  CLI11_PARSE(app, argc, argv);
  return run(arguments);
}
