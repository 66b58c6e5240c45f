// starling up RUN.toml: every node of the run as a daemon on this machine.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <sstream>

#include "daemon/commands.h"
#include "daemon/comparison.h"
#include "daemon/options.h"
#include "node/run.h"

namespace starling::daemon {
namespace {

struct UpOptions {
  RunFileOptions run_file;
  std::string launcher;
};

// starlingd stands beside starling.
std::filesystem::path daemon_program() {
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? "starlingd" : self.parent_path() / "starlingd";
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

int up(const UpOptions& options) {
  const auto config = options.run_file.load();
  if (!config) return fail(config.error());
  // Before any process starts: what is wrong with the data is said once, not once a node.
  if (const auto checked = node::load_run(*config); !checked) return fail(checked.error());
  const FlockOptions flock_options{
      .program = daemon_program(),
      .state_dir = options.run_file.state_dir(*config),
      .overrides = options.run_file.overrides,
      .launcher = words_of(options.launcher),
  };
  std::FILE* const out = options.run_file.json ? stderr : stdout;
  std::fprintf(out, "%zu daemons, state and logs in %s\n", config->nodes.size(),
               flock_options.state_dir.c_str());
  LiveView view(out, ::isatty(::fileno(out)) == 1);
  const auto run_one = [&](const Variant& variant) {
    return Flock(variant.config, flock_options, view).run();
  };
  return run_and_report(compared(*config), options.run_file.json, run_one).exit_code;
}

}  // namespace

void add_up(CLI::App& app, Verb& chosen) {
  auto options = std::make_shared<UpOptions>();
  CLI::App& verb = *app.add_subcommand(
      "up", "Run every node of a run file as a daemon on this machine and follow them");
  options->run_file.add_to(verb);
  options->run_file.add_until_accuracy_to(verb);
  verb.add_option("--launcher", options->launcher,
                  "words in front of each daemon's command, {i} for the node's number: "
                  "'ip netns exec node{i}'")
      ->type_name("COMMAND");
  verb.callback([options, &chosen] { chosen = [options] { return up(*options); }; });
}

}  // namespace starling::daemon
