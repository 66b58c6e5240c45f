// Manual page and completion, from a command line.
#include "daemon/manual.h"

#include <doctest/doctest.h>

#include "daemon/command_line.h"
#include "daemon/command_words.h"
#include "daemon/completion.h"

using namespace starling::daemon;

namespace {

struct Line {
  Program program{"Does it"};
  std::string name, file;
  bool quick = false;

  Line() {
    CommandLine go = program.add_verb("go", "Go there; or not");
    go.add_option("file", file, "what to take").required().type_name("FILE");
    go.add_option("-n,--name", name, "who").type_name("NAME").environment("WHO");
    CommandLine far = go.add_verb("far", "Go far, it's nice");
    far.add_flag("--quick", quick, "without a stop");
  }
};

}  // namespace

TEST_CASE("words: a program, its verbs behind it, options by place first") {
  const Line line;
  const auto words = words_of(line.program);
  REQUIRE(words.size() == 3);
  CHECK(words[0].verbs == std::vector<std::string>{"go"});
  CHECK(words[1].path == "go");
  CHECK(words[1].options.front().value == "FILE");
  CHECK(words[2].path == "go far");
  CHECK(synopsis_of(words[1], "it") == "it go FILE VERB [OPTION]…");
  CHECK(words[2].options.back().value.empty());
}

TEST_CASE("manual: every verb and option is there, and nothing of it is a request to troff") {
  const Line line;
  const std::string page = manual_page(line.program, "it");
  CHECK(page.starts_with(".TH IT 1 "));
  for (const char* part : {"it \\- Does it", ".SS it go far [OPTION]…",
                           "\\fB\\-n\\fR, \\fB\\-\\-name\\fR \\fINAME\\fR\nwho; $WHO\n",
                           "\\fB\\-\\-quick\\fR\nwithout a stop\n"}) {
    CAPTURE(part);
    CHECK(page.find(part) != std::string::npos);
  }
}

TEST_CASE("completion: each shell's script knows verbs and flags of each place") {
  const Line line;
  const auto words = words_of(line.program);
  const std::string bash = completion_of(words, "bash");
  CHECK(bash.find("'go far') words='--quick ") == std::string::npos);  // --help comes first
  CHECK(bash.find("--quick") != std::string::npos);
  CHECK(bash.find("    'go') words='far ") != std::string::npos);
  const std::string zsh = completion_of(words, "zsh");
  CHECK(zsh.starts_with("#compdef starling\n"));
  CHECK(zsh.find("'far:Go far'") != std::string::npos);
  const std::string fish = completion_of(words, "fish");
  CHECK(fish.find(" -s n -l name -r -d 'who'") != std::string::npos);
  CHECK(fish.find(" -a far -d 'Go far'") != std::string::npos);
}
