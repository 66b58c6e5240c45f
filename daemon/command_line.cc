#include "daemon/command_line.h"

#include <CLI/CLI.hpp>
#include <cstddef>
#include <filesystem>
#include <utility>

#include "daemon/log.h"

namespace starling::daemon {

Word Word::type_name(const char* name) {
  option_->type_name(name);
  return *this;
}

Word Word::description(const char* text) {
  option_->description(text);
  return *this;
}

Word Word::environment(const char* name) {
  option_->envname(name);
  return *this;
}

Word Word::required(bool is_required) {
  option_->required(is_required);
  return *this;
}

Word Word::show_default() {
  option_->capture_default_str();
  return *this;
}

Word Word::one_value() {
  option_->allow_extra_args(false);
  return *this;
}

Word Word::range(int least, int most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Word Word::range(double least, double most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Word Word::one_of(const std::vector<std::string>& values) {
  option_->check(CLI::IsMember(values));
  return *this;
}

template <class T>
Word Word::one_of(const std::map<std::string, T>& values) {
  option_->transform(CLI::CheckedTransformer(values));
  return *this;
}
template Word Word::one_of(const std::map<std::string, LogFormat>&);

Word Word::excludes(Word other) {
  option_->excludes(other.option_);
  return *this;
}

Word Word::needs(Word other) {
  option_->needs(other.option_);
  return *this;
}

bool Word::given() const { return !option_->empty(); }

CommandLine CommandLine::add_verb(const char* name, const char* text) {
  return CommandLine(*app_->add_subcommand(name, text));
}

void CommandLine::require_verb() { app_->require_subcommand(1); }

template <class T>
Word CommandLine::add_option(const char* names, T& target, const char* text) {
  return Word(*app_->add_option(names, target, text));
}
template Word CommandLine::add_option(const char*, std::string&, const char*);
template Word CommandLine::add_option(const char*, std::size_t&, const char*);
template Word CommandLine::add_option(const char*, std::optional<double>&, const char*);
template Word CommandLine::add_option(const char*, std::filesystem::path&, const char*);
template Word CommandLine::add_option(const char*, std::vector<std::string>&, const char*);
template Word CommandLine::add_option(const char*, std::vector<std::filesystem::path>&,
                                      const char*);
template Word CommandLine::add_option(const char*, LogFormat&, const char*);

Word CommandLine::add_flag(const char* names, bool& target, const char* text) {
  return Word(*app_->add_flag(names, target, text));
}

void CommandLine::add_version_flag(const char* version) {
  app_->set_version_flag("--version", version);
}

void CommandLine::add_ending_flag(const char* names, std::function<void()> then, const char* text) {
  const auto end = [then = std::move(then)] {
    then();
    throw CLI::Success();
  };
  app_->add_flag_callback(names, end, text);
}

Word CommandLine::option(const char* name) const { return Word(*app_->get_option(name)); }

void CommandLine::when_chosen(std::function<void()> then) { app_->callback(std::move(then)); }

bool CommandLine::has_chosen_verb() const { return !app_->get_subcommands().empty(); }

void refuse_missing(const char* name) { throw CLI::RequiredError(name); }

Program::Program(const char* text) : Program(std::make_unique<CLI::App>(text)) {}

Program::Program(std::unique_ptr<CLI::App> app) : CommandLine(*app), owned_(std::move(app)) {}

Program::~Program() = default;

std::optional<int> Program::read(int argc, char** argv) {
  try {
    owned_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return owned_->exit(error);
  }
  return std::nullopt;
}

}  // namespace starling::daemon
