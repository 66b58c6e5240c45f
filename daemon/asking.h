// What the verbs share that put a question to running daemons.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/command_line.h"
#include "daemon/commands.h"
#include "daemon/options.h"
#include "protocol/control.pb.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::daemon {

using Json = nlohmann::ordered_json;

struct AskOptions {
  RunFileOptions run_file;
  std::string node;  // empty: every node of the run that has a daemon on this machine
};

struct Answer {
  std::string node;
  control::Reply reply;
};

// A node of the run and where it answers, if it runs on this machine.
struct Asked {
  std::string node;
  std::filesystem::path socket;
  bool has_left = false;  // the run, as its file says
  // It has a folder below the state directory of this machine.
  bool lives_here() const;
};
// The named node, or all of them. Fails with ErrorCode::config.
Result<std::vector<Asked>> asked_nodes(const AskOptions& options);
// As ask_all().
Result<std::vector<Answer>> ask_each(const std::vector<Asked>& nodes,
                                     const control::Request& request, Duration patience,
                                     std::optional<Error>* failed = nullptr);

// Asks the named node, or all of them; then it is no error that some live elsewhere, only that
// none answers. `failed`: of one that lives here and answered no.
Result<std::vector<Answer>> ask_all(const AskOptions& options, const control::Request& request,
                                    Duration patience = std::chrono::seconds{5},
                                    std::optional<Error>* failed = nullptr);

// The trouble of a neighbor that has said that it goes: it is missed by nobody.
inline constexpr const char* kLeft = "left";

// How far models are apart, "0.0031": of a node from those of its neighbors; of a neighbor from
// that of the node. "-" where it is not known.
std::string apart_of(const control::StatusReply& reply);
std::string apart_of(const control::Peer& peer);

Json json_of(const control::StatusReply& reply);
Json json_of(const control::PeersReply& reply);
// One node that was named: its object; several: {"nodes": […]}.
void print_json(const AskOptions& options, std::vector<Json> objects);

// Adds a verb with RUN.toml, --set, --state, --json and --node. Its own words may be added to what
// it returns: options of a type that begins with AskOptions.
template <class Options>
std::pair<CommandLine, std::shared_ptr<Options>> add_asking(CommandLine line, Verb& chosen,
                                                            const char* name,
                                                            const char* description,
                                                            int (*run)(const Options&)) {
  auto options = std::make_shared<Options>();
  CommandLine verb = line.add_verb(name, description);
  AskOptions& common = *options;
  common.run_file.add_to(verb);
  verb.add_option("--node", common.node, "one node; without it every one that answers here")
      .type_name("NAME");
  verb.when_chosen([options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
  return {verb, options};
}

}  // namespace starling::daemon
