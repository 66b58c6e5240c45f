// starling status, peers, stop, checkpoint: questions to running daemons over their control
// sockets.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/commands.h"
#include "daemon/control_client.h"
#include "daemon/options.h"
#include "daemon/state_dir.h"
#include "daemon/table.h"

namespace starling::daemon {
namespace {

using Json = nlohmann::ordered_json;

struct AskOptions {
  RunFileOptions run_file;
  std::string node;  // empty: every node of the run that has a daemon on this machine
};

struct Answer {
  std::string node;
  control::Reply reply;
};

// Asks the named node, or all of them; then it is no error that some live elsewhere, only that
// none answers. `failed`: of one that lives here and answered no.
Result<std::vector<Answer>> ask_all(const AskOptions& options, const control::Request& request,
                                    Duration patience = std::chrono::seconds{5},
                                    std::optional<Error>* failed = nullptr) {
  const auto config = options.run_file.load();
  if (!config) return config.error();
  std::vector<std::string> names;
  if (options.node.empty()) {
    for (const node::NodeEntry& entry : config->nodes) names.push_back(entry.name);
  } else {
    const auto found = node::find_node(*config, options.node);
    if (!found) return found.error();
    names = {options.node};
  }
  std::vector<Answer> answers;
  std::optional<Error> first;
  for (const std::string& name : names) {
    const auto socket = paths_of(options.run_file.state_dir(*config), name).control_socket();
    auto reply = ask(socket, request, patience);
    if (reply) {
      answers.push_back({name, std::move(*reply)});
    } else {
      if (failed && !*failed && reply.error().code != ErrorCode::no_daemon) *failed = reply.error();
      if (!first) first = reply.error();
    }
  }
  if (answers.empty()) return *first;
  return answers;
}

Json json_of(const control::StatusReply& s) {
  Json json = {{"run", s.run()},       {"node", s.node()},   {"algorithm", s.algorithm()},
               {"pid", s.pid()},       {"phase", s.phase()}, {"round", s.round()},
               {"rounds", s.rounds()}, {"loss", s.loss()}};
  if (s.has_evaluation()) {
    const control::Evaluation& e = s.evaluation();
    json["evaluation"] = {{"round", e.round()}, {"loss", e.loss()}};
    if (e.has_accuracy()) json["evaluation"]["accuracy"] = e.accuracy();
    if (e.has_relative_error()) json["evaluation"]["relative_error"] = e.relative_error();
    json["evaluation"]["train_seconds"] = e.train_seconds();
  }
  json["sent_bytes"] = s.sent_bytes();
  json["sent_uncompressed_bytes"] = s.sent_uncompressed_bytes();
  json["received_bytes"] = s.received_bytes();
  json["compute_seconds"] = s.compute_seconds();
  json["encode_seconds"] = s.encode_seconds();
  json["wait_seconds"] = s.wait_seconds();
  json["waiting_for"] = std::vector<std::string>(s.waiting_for().begin(), s.waiting_for().end());
  json["uptime_seconds"] = s.uptime_seconds();
  json["checkpoint_round"] = s.checkpoint_round();
  return json;
}

Json json_of(const control::PeersReply& reply) {
  Json peers = Json::array();
  for (const control::Peer& p : reply.peers()) {
    peers.push_back({{"name", p.name()},
                     {"address", p.address()},
                     {"state", p.state()},
                     {"reason", p.reason()},
                     {"since_seconds", p.since_seconds()},
                     {"epoch", p.epoch()},
                     {"round", p.round()},
                     {"weight", p.weight()},
                     {"sent_bytes", p.sent_bytes()},
                     {"received_bytes", p.received_bytes()}});
  }
  return {{"node", reply.node()}, {"peers", peers}};
}

// One node that was named: its object; several: {"nodes": […]}.
void print_json(const AskOptions& options, std::vector<Json> objects) {
  const Json json = options.node.empty() ? Json{{"nodes", std::move(objects)}} : objects.front();
  std::printf("%s\n", json.dump().c_str());
}

std::string quality_of(const control::StatusReply& s) {
  if (s.evaluation().has_accuracy()) return percent_text(s.evaluation().accuracy());
  if (s.evaluation().has_relative_error()) {
    return fmt::format("{:.3g}", s.evaluation().relative_error());
  }
  return "-";
}

int status(const AskOptions& options) {
  control::Request request;
  request.mutable_status();
  const auto answers = ask_all(options, request);
  if (!answers) return fail(answers.error());
  if (options.run_file.json) {
    std::vector<Json> objects;
    for (const Answer& a : *answers) objects.push_back(json_of(a.reply.status()));
    print_json(options, std::move(objects));
    return 0;
  }
  Table table({"node", "phase", "round", "loss", "test", "sent", "of raw", "compute s", "encode s",
               "wait s", "waits for"});
  for (const Answer& a : *answers) {
    const control::StatusReply& s = a.reply.status();
    const std::string waits = fmt::format("{}", fmt::join(s.waiting_for(), " "));
    table.add({s.node(), s.phase(), fmt::format("{}/{}", s.round(), s.rounds()),
               fmt::format("{:.4f}", s.loss()), quality_of(s),
               bytes_text(static_cast<double>(s.sent_bytes())),
               ratio_text(s.sent_uncompressed_bytes(), s.sent_bytes()),
               fmt::format("{:.1f}", s.compute_seconds()),
               fmt::format("{:.1f}", s.encode_seconds()), fmt::format("{:.1f}", s.wait_seconds()),
               waits.empty() ? "-" : waits});
  }
  std::fputs(table.text().c_str(), stdout);
  return 0;
}

int peers(const AskOptions& options) {
  control::Request request;
  request.mutable_peers();
  const auto answers = ask_all(options, request);
  if (!answers) return fail(answers.error());
  if (options.run_file.json) {
    std::vector<Json> objects;
    for (const Answer& a : *answers) objects.push_back(json_of(a.reply.peers()));
    print_json(options, std::move(objects));
    return 0;
  }
  Table table({"node", "peer", "address", "state", "for s", "epoch", "round", "weight", "sent",
               "received", "why"});
  for (const Answer& a : *answers) {
    for (const control::Peer& p : a.reply.peers().peers()) {
      table.add({a.node, p.name(), p.address(), p.state(), fmt::format("{:.1f}", p.since_seconds()),
                 fmt::format("{}", p.epoch()), fmt::format("{}", p.round()),
                 fmt::format("{:.4f}", p.weight()), bytes_text(static_cast<double>(p.sent_bytes())),
                 bytes_text(static_cast<double>(p.received_bytes())),
                 p.reason().empty() ? "-" : p.reason()});
    }
  }
  std::fputs(table.text().c_str(), stdout);
  return 0;
}

int stop(const AskOptions& options) {
  control::Request request;
  request.mutable_stop();
  const auto answers = ask_all(options, request);
  if (!answers) return fail(answers.error());
  std::vector<Json> objects;
  for (const Answer& a : *answers) {
    objects.push_back({{"node", a.node}, {"round", a.reply.stop().round()}});
    if (!options.run_file.json) {
      std::printf("%s: stopping in round %llu\n", a.node.c_str(),
                  static_cast<unsigned long long>(a.reply.stop().round()));
    }
  }
  if (options.run_file.json) print_json(options, std::move(objects));
  return 0;
}

// The end of a round may be a while off. One node that cannot save is an error, whatever the others
// could: they do not make up for it.
int checkpoint(const AskOptions& options) {
  control::Request request;
  request.mutable_checkpoint();
  std::optional<Error> failed;
  const auto answers = ask_all(options, request, std::chrono::minutes{2}, &failed);
  if (!answers) return fail(answers.error());
  std::vector<Json> objects;
  for (const Answer& a : *answers) {
    const control::CheckpointReply& c = a.reply.checkpoint();
    objects.push_back(
        {{"node", a.node}, {"round", c.round()}, {"file", c.file()}, {"bytes", c.bytes()}});
    if (!options.run_file.json) {
      std::printf("%s: %llu rounds in %s, %s\n", a.node.c_str(),
                  static_cast<unsigned long long>(c.round()), c.file().c_str(),
                  bytes_text(static_cast<double>(c.bytes())).c_str());
    }
  }
  if (options.run_file.json) print_json(options, std::move(objects));
  return failed ? fail(*failed) : 0;
}

void add(CLI::App& app, Verb& chosen, const char* name, const char* description,
         int (*verb)(const AskOptions&)) {
  auto options = std::make_shared<AskOptions>();
  CLI::App& sub = *app.add_subcommand(name, description);
  options->run_file.add_to(sub);
  sub.add_option("--node", options->node, "one node; without it every one that answers here")
      ->type_name("NAME");
  sub.callback([options, verb, &chosen] { chosen = [options, verb] { return verb(*options); }; });
}

}  // namespace

void add_status(CLI::App& app, Verb& chosen) {
  add(app, chosen, "status", "Where running daemons are in their training", status);
}

void add_peers(CLI::App& app, Verb& chosen) {
  add(app, chosen, "peers", "Who is connected to whom, and why not", peers);
}

void add_stop(CLI::App& app, Verb& chosen) {
  add(app, chosen, "stop", "Let running daemons finish their round, export and end", stop);
}

void add_checkpoint(CLI::App& app, Verb& chosen) {
  add(app, chosen, "checkpoint", "Let running daemons save what they need to go on from here",
      checkpoint);
}

}  // namespace starling::daemon
