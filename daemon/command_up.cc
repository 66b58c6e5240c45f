// starling up RUN.toml: every node of the run as a daemon on this machine.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>

#include "daemon/commands.h"
#include "daemon/comparison.h"
#include "daemon/link_security.h"
#include "daemon/options.h"
#include "node/run.h"

namespace starling::daemon {
namespace {

struct UpOptions {
  RunFileOptions run_file;
  std::string launcher;
  bool plaintext = false;
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

// A run that was done before looks like one that took no time.
void tell_resumed(const Outcome& outcome, std::FILE* out) {
  for (const node::RunReport& report : outcome.reports) {
    std::size_t resumed = 0;
    Round least = report.rounds, most = 0;
    for (const node::NodeReport& node : report.nodes) {
      if (!node.resumed_at) continue;
      ++resumed;
      least = std::min(least, *node.resumed_at);
      most = std::max(most, *node.resumed_at);
    }
    if (resumed == 0) continue;
    const std::string rounds =
        least == most ? fmt::format("{}", most) : fmt::format("{} to {}", least, most);
    fmt::print(out, "{} of {} nodes went on from checkpoints of {} rounds; --fresh begins anew\n",
               resumed, report.nodes.size(), rounds);
  }
}

int up(const UpOptions& options) {
  const auto config = options.run_file.load();
  if (!config) return fail(config.error());
  // Before any process starts: what is wrong with the data is said once, not once a node.
  if (const auto checked = node::load_run(*config); !checked) return fail(checked.error());
  FlockOptions flock_options{
      .program = daemon_program(),
      .state_dir = options.run_file.state_dir(*config),
      .overrides = options.run_file.overrides,
      .fresh = options.run_file.fresh,
      .launcher = words_of(options.launcher),
  };
  if (options.plaintext) {
    forget_made_keys(flock_options.state_dir);
  } else if (const auto made = make_keys(*config, flock_options.state_dir); !made) {
    return fail(made.error());
  }
  const std::vector<Variant> variants = compared(*config);
  // Several algorithms in one state directory: what one has saved the next could not use.
  if (variants.size() > 1) flock_options.overrides.emplace_back("checkpoint.enabled=false");
  std::FILE* const out = options.run_file.json ? stderr : stdout;
  std::fprintf(out, "%zu daemons, state and logs in %s\n",
               config->nodes.size() - config->topology.left.size(),
               flock_options.state_dir.c_str());
  LiveView view(out, ::isatty(::fileno(out)) == 1);
  const auto run_one = [&](const Variant& variant) {
    return Flock(variant.config, flock_options, view).run();
  };
  const Outcome outcome = run_and_report(variants, options.run_file.json, run_one);
  tell_resumed(outcome, out);
  return outcome.exit_code;
}

}  // namespace

void add_up(CommandLine line, Verb& chosen) {
  auto options = std::make_shared<UpOptions>();
  CommandLine verb = line.add_verb(
      "up", "Run every node of a run file as a daemon on this machine and follow them");
  options->run_file.add_to(verb);
  options->run_file.add_fresh_to(verb);
  options->run_file.add_until_accuracy_to(verb);
  verb.add_option("--launcher", options->launcher,
                  "words in front of each daemon's command, {i} for the node's number: "
                  "'ip netns exec node{i}'")
      .type_name("COMMAND");
  verb.add_flag("--plaintext", options->plaintext,
                "plain TCP between the daemons in place of TLS with keys made for them");
  verb.when_chosen([options, &chosen] { chosen = [options] { return up(*options); }; });
}

}  // namespace starling::daemon
