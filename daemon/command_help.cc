// starling version, completion, man: what the program says of itself.
#include <fmt/format.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/command_words.h"
#include "daemon/commands.h"
#include "daemon/completion.h"
#include "daemon/manual.h"
#include "daemon/version.h"
#include "node/checkpoint_format.h"
#include "protocol/frame.h"

namespace starling::daemon {
namespace {

int show_version(bool json) {
  if (json) {
    const nlohmann::ordered_json out{{"version", version()},
                                     {"frame_version", kFrameVersion},
                                     {"checkpoint_version", node::kCheckpointVersion},
                                     {"compiler", __VERSION__}};
    fmt::print("{}\n", out.dump());
    return 0;
  }
  fmt::print("starling {}\nframes of version {}, checkpoints of version {}\ncompiler {}\n",
             version(), kFrameVersion, node::kCheckpointVersion, __VERSION__);
  return 0;
}

}  // namespace

void add_version(CommandLine line, Verb& chosen) {
  auto json = std::make_shared<bool>(false);
  CommandLine verb = line.add_verb(
      "version", "Which Starling this is, and which formats two of them have to share");
  verb.add_flag("--json", *json, "print as JSON");
  verb.when_chosen([json, &chosen] { chosen = [json] { return show_version(*json); }; });
}

void add_completion(CommandLine line, Verb& chosen) {
  auto shell = std::make_shared<std::string>();
  CommandLine verb =
      line.add_verb("completion",
                    "A script that lets a shell complete verbs and options: source <(starling "
                    "completion bash)");
  verb.add_option("shell", *shell, "bash, zsh or fish")
      .required()
      .one_of({"bash", "zsh", "fish"})
      .type_name("SHELL");
  verb.when_chosen([shell, line, &chosen] {
    chosen = [shell, line] {
      fmt::print("{}", completion_of(words_of(line), *shell));
      return 0;
    };
  });
}

void add_man(CommandLine line, Verb& chosen) {
  CommandLine verb = line.add_verb("man", "The manual page, to be read with `man -l -`");
  verb.when_chosen([line, &chosen] {
    chosen = [line] {
      fmt::print("{}", manual_page(line, "starling"));
      return 0;
    };
  });
}

}  // namespace starling::daemon
