#include "daemon/peers_watch.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <map>

#include "daemon/redrawn.h"
#include "daemon/table.h"

namespace starling::daemon {
namespace {

constexpr int kLookEveryMs = 1000;
constexpr std::chrono::seconds kPatience{2};

using Clock = std::chrono::steady_clock;

// What was seen of one link at the look before.
struct Seen {
  std::uint64_t sent, received;
  Clock::time_point at;
};
using AllSeen = std::map<std::pair<std::string, std::string>, Seen>;  // by node and peer

std::string rate_text(std::uint64_t before, std::uint64_t now, Clock::duration between) {
  if (now < before) return "-";  // another process
  return bytes_text(static_cast<double>(now - before) / seconds(between)) + "/s";
}

Table table_of(const std::vector<Answer>& answers, AllSeen& seen) {
  Table table({"node", "peer", "state", "for s", "round", "apart", "out", "in", "counted", "lost",
               "refused", "why not up"});
  const auto now = Clock::now();
  for (const Answer& a : answers) {
    for (const control::Peer& p : a.reply.peers().peers()) {
      const Seen is{p.sent_bytes(), p.received_bytes(), now};
      const auto [at, is_new] = seen.try_emplace({a.node, p.name()}, is);
      const Seen was = std::exchange(at->second, is);
      const auto rate = [&](std::uint64_t before, std::uint64_t after) {
        return is_new ? std::string("-") : rate_text(before, after, now - was.at);
      };
      std::string why = p.reason().empty() ? "-" : p.reason();
      if (p.has_redial_seconds()) why += fmt::format("; again in {:.1f} s", p.redial_seconds());
      table.add({a.node, p.name(), p.state(), fmt::format("{:.0f}", p.since_seconds()),
                 fmt::format("{}", p.round()), apart_of(p), rate(was.sent, is.sent),
                 rate(was.received, is.received), fmt::format("{}", p.counted()),
                 fmt::format("{}", p.lost()), fmt::format("{}", p.refused()), why});
    }
  }
  return table;
}

}  // namespace

int watch_peers(const AskOptions& options) {
  const auto nodes = asked_nodes(options);
  if (!nodes) return fail(nodes.error());
  control::Request request;
  request.mutable_peers();
  Redrawn drawn(stdout, ::isatty(STDOUT_FILENO) == 1);
  AllSeen seen;
  for (bool first = true;; first = false) {
    const auto answers = ask_each(*nodes, request, kPatience);
    if (!answers) return first ? fail(answers.error()) : 0;
    if (options.run_file.json) {
      std::vector<Json> objects;
      for (const Answer& a : *answers) objects.push_back(json_of(a.reply.peers()));
      print_json(options, std::move(objects));
      std::fflush(stdout);
    } else {
      drawn.show(table_of(*answers, seen).text());
    }
    ::poll(nullptr, 0, kLookEveryMs);
  }
}

}  // namespace starling::daemon
