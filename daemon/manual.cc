#include "daemon/manual.h"

#include <fmt/format.h>

#include <cctype>

#include "daemon/command_words.h"
#include "daemon/version.h"

namespace starling::daemon {
namespace {

// Text that troff prints as it stands.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += "\\&";
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string heading_of(const OptionWords& option) {
  std::string text;
  for (const std::string& flag : option.flags) {
    text += fmt::format("{}\\fB{}\\fR", text.empty() ? "" : ", ", plain(flag));
  }
  if (!option.value.empty()) {
    text += fmt::format("{}\\fI{}\\fR", text.empty() ? "" : " ", plain(option.value));
  }
  return text;
}

std::string section_of(const VerbWords& verb, const std::string& program) {
  std::string page =
      fmt::format(".SS {}\n{}.\n", plain(synopsis_of(verb, program)), plain(verb.text));
  for (const OptionWords& option : verb.options) {
    page += fmt::format(".TP\n{}\n{}", heading_of(option), plain(option.text));
    if (!option.environment.empty()) page += fmt::format("; ${}", plain(option.environment));
    page += '\n';
  }
  return page;
}

}  // namespace

std::string manual_page(CommandLine line, const std::string& program) {
  const std::vector<VerbWords> all = words_of(line);
  std::string upper = program;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string page =
      fmt::format(".TH {} 1 \"\" \"starling {}\" \"User commands\"\n", upper, version());
  page += fmt::format(".SH NAME\n{} \\- {}\n", plain(program), plain(all.front().text));
  page += ".SH SYNOPSIS\n";
  for (const VerbWords& verb : all) {
    if (verb.verbs.empty()) page += fmt::format("{}\n.br\n", plain(synopsis_of(verb, program)));
  }
  page += ".SH DESCRIPTION\n";
  for (const VerbWords& verb : all) page += section_of(verb, program);
  page +=
      ".SH EXIT STATUS\n0: done. 3: no daemon answers. 10: configuration. 11: data. 12: an address "
      "is in use. 13: another daemon has the state directory. 14: training diverged. 15: a file or "
      "socket failed. 16: a simulated fault broke an invariant. 100 and above: the command line "
      "could not be read.\n"
      ".SH ENVIRONMENT\n$XDG_STATE_HOME: below it is starling/RUN, where a run keeps its state "
      "unless \\-\\-state names another place.\n";
  return page;
}

}  // namespace starling::daemon
