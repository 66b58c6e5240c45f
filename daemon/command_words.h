// What the command line understands, as data: one description for --help, manual pages and the
// completion of shells.
#pragma once

#include <string>
#include <vector>

#include "daemon/command_line.h"

namespace starling::daemon {

struct OptionWords {
  std::vector<std::string> flags;  // "--node", "-o"; empty: it goes by its place
  std::string value;               // "NAME"; empty: it takes none
  std::string text;
  std::string environment;  // that sets it, too; empty: none
  bool required = false;
};

struct VerbWords {
  std::string path;  // "config show"; empty: the program itself
  std::string text;
  std::vector<OptionWords> options;  // those by place first
  std::vector<std::string> verbs;    // that may follow
};

// The program, and each verb behind those that it may follow.
std::vector<VerbWords> words_of(CommandLine program);

// "status RUN.toml [OPTION]…", of a program that is called `program`.
std::string synopsis_of(const VerbWords& verb, const std::string& program);

}  // namespace starling::daemon
