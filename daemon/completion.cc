#include "daemon/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace starling::daemon {
namespace {

// In single quotes, for all three shells.
std::string quoted(const std::string& text) {
  std::string out(1, '\'');
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// As much of a sentence as fits beside a word.
std::string first_part(const std::string& text) {
  return text.substr(0, text.find_first_of(";:,"));
}

// Every flag and verb that may follow `path`.
std::vector<std::string> candidates(const VerbWords& verb) {
  std::vector<std::string> words = verb.verbs;
  for (const OptionWords& option : verb.options) {
    words.insert(words.end(), option.flags.begin(), option.flags.end());
  }
  return words;
}

std::string bash(const std::vector<VerbWords>& all) {
  std::string paths, words;
  for (const VerbWords& verb : all) {
    if (!verb.path.empty()) paths += fmt::format("      {}) path=$next ;;\n", quoted(verb.path));
    words += fmt::format("    {}) words={} ;;\n", quoted(verb.path),
                         quoted(fmt::format("{}", fmt::join(candidates(verb), " "))));
  }
  return fmt::format(R"(# bash completion for starling
_starling() {{
  local path= next word words=
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    next="${{path:+$path }}$word"
    case $next in
{}    esac
  done
  case $path in
{}  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _starling starling
)",
                     paths, words);
}

// The verbs that may follow `verb`, each with what it is.
std::vector<const VerbWords*> following(const VerbWords& verb, const std::vector<VerbWords>& all) {
  const std::string before = verb.path.empty() ? "" : verb.path + ' ';
  std::vector<const VerbWords*> found;
  for (const VerbWords& sub : all) {
    for (const std::string& name : verb.verbs) {
      if (sub.path == before + name) found.push_back(&sub);
    }
  }
  return found;
}

std::string last_word(const std::string& path) {
  return path.substr(path.find_last_of(' ') + 1);  // all of it where there is no space
}

std::string zsh(const std::vector<VerbWords>& all) {
  std::string paths, words;
  for (const VerbWords& verb : all) {
    if (!verb.path.empty()) paths += fmt::format("      {}) place=$next ;;\n", quoted(verb.path));
    std::vector<std::string> list;
    const auto add = [&list](const std::string& word, const std::string& text) {
      list.push_back(quoted(fmt::format("{}:{}", word, first_part(text))));
    };
    for (const VerbWords* sub : following(verb, all)) add(last_word(sub->path), sub->text);
    for (const OptionWords& option : verb.options) {
      for (const std::string& flag : option.flags) add(flag, option.text);
    }
    words += fmt::format("    {}) candidates=({}) ;;\n", quoted(verb.path), fmt::join(list, " "));
  }
  return fmt::format(R"(#compdef starling
# zsh completion for starling
_starling() {{
  local place= next word
  local -a candidates
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    next="${{place:+$place }}$word"
    case $next in
{}    esac
  done
  case $place in
{}  esac
  _describe starling candidates
  _files
}}
compdef _starling starling
)",
                     paths, words);
}

std::string fish(const std::vector<VerbWords>& all) {
  std::string lines = R"(# fish completion for starling
function __starling_path
    set -l path
    for word in (commandline -opc)[2..-1]
        set -l next (string trim -- "$path $word")
        contains -- "$next" $__starling_paths; and set path $next
    end
    test "$path" = "$argv[1]"
end
)";
  std::string paths;
  for (const VerbWords& verb : all) paths += ' ' + quoted(verb.path);
  lines += fmt::format("set -g __starling_paths{}\n", paths);
  for (const VerbWords& verb : all) {
    const std::string when = quoted(fmt::format("__starling_path {}", quoted(verb.path)));
    for (const VerbWords* sub : following(verb, all)) {
      lines += fmt::format("complete -c starling -n {} -a {} -d {}\n", when, last_word(sub->path),
                           quoted(first_part(sub->text)));
    }
    for (const OptionWords& option : verb.options) {
      if (option.flags.empty()) continue;
      lines += fmt::format("complete -c starling -n {}", when);
      for (const std::string& flag : option.flags) {
        lines += flag.starts_with("--") ? fmt::format(" -l {}", flag.substr(2))
                                        : fmt::format(" -s {}", flag.substr(1));
      }
      lines += fmt::format("{} -d {}\n", option.value.empty() ? "" : " -r",
                           quoted(first_part(option.text)));
    }
  }
  return lines;
}

}  // namespace

std::string completion_of(const std::vector<VerbWords>& words, const std::string& shell) {
  if (shell == "zsh") return zsh(words);
  return shell == "fish" ? fish(words) : bash(words);
}

}  // namespace starling::daemon
