// What a program's command line may hold, as it is declared and read. All of CLI11 is behind these
// classes: to compile what it inlines takes seconds a file, so the verbs do not see it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace starling::daemon {

// An option, or what goes by its place: no more than a pointer to what its Program owns, so that
// copies mean the same option. Texts are literals, here and below.
class Word {
 public:
  explicit Word(CLI::Option& option) : option_(&option) {}

  Word type_name(const char* name);    // what --help calls its value
  Word description(const char* text);  // in place of the text that it was added with
  Word environment(const char* name);  // the variable that is read where the word is not given
  Word required(bool is_required = true);
  // --help tells what its target holds now.
  Word show_default();
  // Of a list: one value each time it is named, so that a word by its place may follow.
  Word one_value();

  // Both ends belong to it.
  Word range(int least, int most);
  Word range(double least, double most);
  Word one_of(const std::vector<std::string>& values);
  // The target takes what stands beside the name. For the types that command_line.cc names.
  template <class T>
  Word one_of(const std::map<std::string, T>& values);
  Word excludes(Word other);
  Word needs(Word other);

  // Whether it was given, on the command line that was read or by its variable.
  bool given() const;

 private:
  CLI::Option* option_;
};

// The words of a program, or of a verb behind it. A handle, as Word is.
// `names` is "file" for what goes by its place, "--out" or "-o,--out"; targets outlive the reading.
// Two words of one name throw: the program is wrong, not its user.
class CommandLine {
 public:
  explicit CommandLine(CLI::App& app) : app_(&app) {}

  CommandLine add_verb(const char* name, const char* text);
  // One of the verbs has to follow.
  void require_verb();
  // For the types that command_line.cc names.
  template <class T>
  Word add_option(const char* names, T& target, const char* text);
  Word add_flag(const char* names, bool& target, const char* text);
  // --version prints it and ends the program.
  void add_version_flag(const char* version);
  // Does `then`, and ends the program with exit code 0.
  void add_ending_flag(const char* names, std::function<void()> then, const char* text);

  // The one of that name, which was added before.
  Word option(const char* name) const;
  // Called once all words are read and found valid, where this verb was among them. What it throws
  // but for refuse_missing() goes through read().
  void when_chosen(std::function<void()> then);
  // Whether a verb followed this one.
  bool has_chosen_verb() const;

  const CLI::App& app() const { return *app_; }  // for command_words.cc, which lists it

 private:
  CLI::App* app_;
};

// Ends the reading from within when_chosen(), as if the word were required and were not given.
[[noreturn]] void refuse_missing(const char* name);

// Owns every word. Built, read and destroyed by main.
class Program : public CommandLine {
 public:
  explicit Program(const char* text);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Fills the targets. An exit code where the program ends here: after --help and the like, and
  // after a command line that is wrong, which standard error was told then.
  std::optional<int> read(int argc, char** argv);

 private:
  explicit Program(std::unique_ptr<CLI::App> app);

  std::unique_ptr<CLI::App> owned_;
};

}  // namespace starling::daemon
