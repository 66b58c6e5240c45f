// starling status, peers, stop, checkpoint, reload: questions to running daemons over their control
// sockets.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "daemon/asking.h"
#include "daemon/control_client.h"
#include "daemon/health.h"
#include "daemon/peers_watch.h"
#include "daemon/table.h"
#include "node/config_names.h"

namespace starling::daemon {
namespace {

struct StatusOptions : AskOptions {
  bool check = false;  // how things are by exit code
};

struct PeersOptions : AskOptions {
  bool watch = false;  // live, until a signal
};

}  // namespace

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
  json["standstill_seconds"] = s.standstill_seconds();
  json["standstill_seconds_max"] = s.standstill_seconds_max();
  json["waiting_for"] = std::vector<std::string>(s.waiting_for().begin(), s.waiting_for().end());
  json["uptime_seconds"] = s.uptime_seconds();
  if (s.has_consensus_distance()) {
    json["consensus_distance"] = s.consensus_distance();
    json["consensus_round"] = s.consensus_rounds();
  }
  json["checkpoint_round"] = s.checkpoint_round();
  json["limits"] = {{"max_send", s.max_send()},
                    {"max_receive", s.max_receive()},
                    {"neighbor_max_send", s.neighbor_max_send()},
                    {"neighbor_max_receive", s.neighbor_max_receive()},
                    {"max_per_day", s.max_per_day()},
                    {"neighbor_max_per_day", s.neighbor_max_per_day()}};
  if (s.has_day_left()) json["limits"]["day_left"] = s.day_left();
  if (s.has_neighbor_day_left()) json["limits"]["neighbor_day_left"] = s.neighbor_day_left();
  if (s.has_rate_budget()) {
    json["rate"] = {
        {"budget", s.rate_budget()}, {"cost", s.rate_cost()}, {"queue", s.rate_queue()}};
  }
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
                     {"received_bytes", p.received_bytes()},
                     {"counted", p.counted()},
                     {"made_up", p.made_up()},
                     {"reopened", p.reopened()},
                     {"rejected", p.rejected()},
                     {"malformed", p.malformed()},
                     {"too_long", p.too_long()},
                     {"strikes", p.strikes()},
                     {"left_out_seconds", p.left_out_seconds()},
                     {"lost", p.lost()},
                     {"refused", p.refused()},
                     {"last_reason", p.last_reason()}});
    if (p.has_day_left()) peers.back()["day_left"] = p.day_left();
    if (p.has_distance()) {
      peers.back()["distance"] = p.distance();
      peers.back()["distance_round"] = p.distance_rounds();
    }
  }
  return {{"node", reply.node()}, {"peers", peers}};
}

namespace {

std::string quality_of(const control::StatusReply& s) {
  if (s.evaluation().has_accuracy()) return percent_text(s.evaluation().accuracy());
  if (s.evaluation().has_relative_error()) {
    return fmt::format("{:.3g}", s.evaluation().relative_error());
  }
  return "-";
}

Result<HealthReport> ask_health(const Asked& node) {
  control::Request request;
  request.mutable_status();
  const auto status = ask(node.socket, request);
  if (!status) return status.error();
  request.mutable_peers();
  const auto peers = ask(node.socket, request);
  if (!peers) return peers.error();
  return health_of(status->status(), peers->peers());
}

// As a monitor wants it: what is to be said of each node, and last how the worst of them is. A node
// that lives on another machine is not asked about here.
int check(const StatusOptions& options) {
  const auto nodes = asked_nodes(options);
  if (!nodes) return fail(nodes.error());
  std::optional<Health> worst;
  std::optional<Error> nobody;
  for (const Asked& node : *nodes) {
    auto report = ask_health(node);
    if (!report) {
      if (!nobody) nobody = report.error();
      const bool is_missed = !options.node.empty() || (node.lives_here() && !node.has_left);
      if (!is_missed) continue;
      report = HealthReport{Health::down, {report.error().message}};
    }
    for (const std::string& reason : report->reasons) {
      fmt::print("{}: {}\n", node.node, reason);
    }
    worst = std::max(worst.value_or(Health::healthy), report->health);
  }
  if (!worst) {
    fail(*nobody);
    return exit_code_of(Health::down);
  }
  fmt::print("{}\n", name_of(*worst));
  return exit_code_of(*worst);
}

// "n0 sends at most 20mbit, at most 5mbit to each neighbor"; empty where nothing limits it.
std::string limits_of(const control::StatusReply& s) {
  std::vector<std::string> parts;
  const auto add = [&](const char* format, double rate) {
    if (rate > 0) parts.push_back(fmt::format(fmt::runtime(format), node::show_rate(rate)));
  };
  const auto add_day = [&](const char* whose, std::uint64_t bytes, std::uint64_t left) {
    if (bytes == 0) return;
    parts.push_back(fmt::format("moves at most {} a day{} ({} of it at once now)",
                                node::show_bytes(bytes), whose,
                                bytes_text(static_cast<double>(left))));
  };
  add("sends at most {}", s.max_send());
  add("at most {} to each neighbor", s.neighbor_max_send());
  add("takes at most {}", s.max_receive());
  add("at most {} from each neighbor", s.neighbor_max_receive());
  add_day("", s.max_per_day(), s.day_left());
  add_day(" with each neighbor", s.neighbor_max_per_day(), s.neighbor_day_left());
  if (s.has_rate_budget()) {
    parts.push_back(fmt::format("costs a link {} of its budget of {} so far, queue {:.1f}",
                                percent_text(s.rate_cost()), s.rate_budget(), s.rate_queue()));
  }
  return parts.empty() ? "" : fmt::format("{} {}", s.node(), fmt::join(parts, ", "));
}

int status(const StatusOptions& options) {
  if (options.check) return check(options);
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
  Table table({"node", "phase", "round", "loss", "test", "apart", "sent", "of raw", "compute s",
               "encode s", "wait s", "waits for"});
  for (const Answer& a : *answers) {
    const control::StatusReply& s = a.reply.status();
    const std::string waits = fmt::format("{}", fmt::join(s.waiting_for(), " "));
    table.add({s.node(), s.phase(), fmt::format("{}/{}", s.round(), s.rounds()),
               fmt::format("{:.4f}", s.loss()), quality_of(s), apart_of(s),
               bytes_text(static_cast<double>(s.sent_bytes())),
               ratio_text(s.sent_uncompressed_bytes(), s.sent_bytes()),
               fmt::format("{:.1f}", s.compute_seconds()),
               fmt::format("{:.1f}", s.encode_seconds()), fmt::format("{:.1f}", s.wait_seconds()),
               waits.empty() ? "-" : waits});
  }
  std::fputs(table.text().c_str(), stdout);
  for (const Answer& a : *answers) {
    const std::string limits = limits_of(a.reply.status());
    if (!limits.empty()) fmt::print("{}\n", limits);
  }
  return 0;
}

// Why it is not up, or what was wrong last.
std::string reason_of(const control::Peer& p) {
  if (!p.reason().empty()) return p.reason();
  return p.last_reason().empty() ? "-" : p.last_reason();
}

// What it sent and was refused, and what that was.
std::string rejected_of(const control::Peer& p) {
  if (p.malformed() + p.too_long() == 0) return fmt::format("{}", p.rejected());
  return fmt::format("{} ({} malformed, {} too long)", p.rejected(), p.malformed(), p.too_long());
}

bool has_day(const Answer& answer) {
  return std::ranges::any_of(answer.reply.peers().peers(), &control::Peer::has_day_left);
}

Table table_of_peers(const std::vector<Answer>& answers) {
  const bool days = std::ranges::any_of(answers, has_day);
  std::vector<std::string> header{"node",       "peer",    "address", "state",    "for s",
                                  "epoch",      "round",   "weight",  "apart",    "sent",
                                  "received",   "counted", "made up", "reopened", "rejected",
                                  "left out s", "lost",    "refused"};
  if (days) header.emplace_back("day left");
  header.emplace_back("last reason");
  Table table(std::move(header));
  for (const Answer& a : answers) {
    for (const control::Peer& p : a.reply.peers().peers()) {
      std::vector<std::string> row{
          a.node,
          p.name(),
          p.address(),
          p.state(),
          fmt::format("{:.1f}", p.since_seconds()),
          fmt::format("{}", p.epoch()),
          fmt::format("{}", p.round()),
          fmt::format("{:.4f}", p.weight()),
          apart_of(p),
          bytes_text(static_cast<double>(p.sent_bytes())),
          bytes_text(static_cast<double>(p.received_bytes())),
          fmt::format("{}", p.counted()),
          fmt::format("{}", p.made_up()),
          fmt::format("{}", p.reopened()),
          rejected_of(p),
          p.left_out_seconds() > 0 ? fmt::format("{:.0f}", p.left_out_seconds()) : "-",
          fmt::format("{}", p.lost()),
          fmt::format("{}", p.refused())};
      if (days) {
        row.push_back(p.has_day_left() ? bytes_text(static_cast<double>(p.day_left())) : "-");
      }
      row.push_back(reason_of(p));
      table.add(std::move(row));
    }
  }
  return table;
}

int peers(const PeersOptions& options) {
  if (options.watch) return watch_peers(options);
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
  std::fputs(table_of_peers(*answers).text().c_str(), stdout);
  return 0;
}

// One that was not told to is an error, whatever the others did: it goes on.
int end(const AskOptions& options, bool leave) {
  control::Request request;
  request.mutable_stop()->set_leave(leave);
  std::optional<Error> failed;
  const auto answers = ask_all(options, request, std::chrono::seconds{5}, &failed);
  if (!answers) return fail(answers.error());
  std::vector<Json> objects;
  for (const Answer& a : *answers) {
    objects.push_back({{"node", a.node}, {"round", a.reply.stop().round()}});
    if (!options.run_file.json) {
      std::printf("%s: %s in round %llu\n", a.node.c_str(), leave ? "leaving" : "stopping",
                  static_cast<unsigned long long>(a.reply.stop().round()));
    }
  }
  if (options.run_file.json) print_json(options, std::move(objects));
  return failed ? fail(*failed) : 0;
}

int stop(const AskOptions& options) { return end(options, false); }
int leave(const AskOptions& options) { return end(options, true); }

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

// One that refuses is an error, whatever the others did: the flock is of two graphs then.
int reload(const AskOptions& options) {
  control::Request request;
  request.mutable_reload();
  std::optional<Error> failed;
  const auto answers = ask_all(options, request, std::chrono::minutes{2}, &failed);
  if (!answers) return fail(answers.error());
  std::vector<Json> objects;
  for (const Answer& a : *answers) {
    const control::ReloadReply& r = a.reply.reload();
    const std::vector<std::string> changes(r.changes().begin(), r.changes().end());
    const std::vector<std::string> waiting(r.at_next_start().begin(), r.at_next_start().end());
    objects.push_back(
        {{"node", a.node}, {"round", r.round()}, {"changes", changes}, {"at_next_start", waiting}});
    if (options.run_file.json) continue;
    fmt::print(
        "{}: {} after {} rounds\n", a.node,
        changes.empty() ? "nothing has changed" : fmt::format("{}", fmt::join(changes, ", ")),
        r.round());
    for (const std::string& key : waiting) {
      fmt::print("{}: takes effect at the next start: {}\n", a.node, key);
    }
  }
  if (options.run_file.json) print_json(options, std::move(objects));
  return failed ? fail(*failed) : 0;
}

}  // namespace

void add_status(CommandLine line, Verb& chosen) {
  auto [verb, options] =
      add_asking(line, chosen, "status", "Where running daemons are in their training", status);
  verb.add_flag("--check", options->check,
                "print whether all is well; exit code 0: yes, or paused, 1: a neighbor is away, "
                "2: stalled (no round ends) or down");
}

void add_peers(CommandLine line, Verb& chosen) {
  auto [verb, options] =
      add_asking(line, chosen, "peers", "Who is connected to whom, and why not", peers);
  verb.add_flag("--watch", options->watch, "live, with what each link carries, until Ctrl-C");
}

void add_stop(CommandLine line, Verb& chosen) {
  add_asking(line, chosen, "stop", "Let running daemons finish their round, export and end", stop);
}

void add_leave(CommandLine line, Verb& chosen) {
  add_asking(line, chosen, "leave",
             "As stop, and the neighbors are told that they need not miss the node", leave);
}

void add_reload(CommandLine line, Verb& chosen) {
  add_asking(line, chosen, "reload",
             "Let running daemons take up nodes, edges, addresses, keys and limits of the run file",
             reload);
}

void add_checkpoint(CommandLine line, Verb& chosen) {
  add_asking(line, chosen, "checkpoint",
             "Let running daemons save what they need to go on from here", checkpoint);
}

}  // namespace starling::daemon
