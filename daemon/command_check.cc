// starling check: why a neighbor is not up, and what to do.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

#include "daemon/asking.h"

namespace starling::daemon {
namespace {

struct Advice {
  const char* trouble;  // name_of(peer::LinkTrouble)
  const char* text;
};

constexpr std::array kAdvice{
    Advice{"no-address", "correct the name in [[node]] address, or let this machine know it"},
    Advice{"connection-refused", "nobody listens there: start its daemon, or correct the address"},
    Advice{"timed-out", "its machine is off or far, or a firewall drops what comes"},
    Advice{"unreachable",
           "look at the route to it, and at `insecure_plaintext` in a run without "
           "keys"},
    Advice{"key",
           "compare `starling id` there with its key in the run file here, and the other "
           "way round"},
    Advice{"handshake", "something else than a daemon of this version may listen there"},
    Advice{"mismatch", "give both the same run file, and restart them or `starling reload`"},
    Advice{"other-node", "compare the addresses and names in both run files"},
    Advice{"stopped", "start it again"},
    Advice{"left", "nothing: it comes back when it is started, or take it out of the run file"},
    Advice{"paused", "`starling resume` on the machine that has paused"},
    Advice{"left-out", "it comes back by itself; one that often is late is slow, or its link is"},
    Advice{"protocol", "look at the last lines of both logs"},
    Advice{"lost", "it comes back by itself; `starling peers` counts how often it was lost"},
};

const char* advice_for(const std::string& trouble) {
  const auto* const at = std::ranges::find(
      kAdvice, trouble, [](const Advice& one) { return std::string(one.trouble); });
  return at == kAdvice.end() ? nullptr : at->text;
}

Json json_of_trouble(const control::Peer& p) {
  Json json = {{"name", p.name()},     {"address", p.address()},
               {"state", p.state()},   {"cause", p.trouble()},
               {"reason", p.reason()}, {"since_seconds", p.since_seconds()},
               {"dials", p.dials()}};
  if (p.has_redial_seconds()) json["redial_seconds"] = p.redial_seconds();
  return json;
}

void print(const std::string& node, const control::Peer& p) {
  if (p.state() == "up") {
    fmt::print("{}: {} is up\n", node, p.name());
    return;
  }
  std::string next = p.trouble() == "paused" ? "not dialled" : "being dialled";
  if (p.has_redial_seconds()) next = fmt::format("dialled again in {:.1f} s", p.redial_seconds());
  fmt::print("{}: {} ({}) is not up for {:.1f} s: {}: {}\n    {} dials since, {}\n", node, p.name(),
             p.address(), p.since_seconds(), p.trouble(), p.reason(), p.dials(), next);
  if (const char* advice = advice_for(p.trouble())) fmt::print("    {}\n", advice);
}

int check(const AskOptions& options) {
  control::Request request;
  request.mutable_peers();
  const auto answers = ask_all(options, request);
  if (!answers) return fail(answers.error());
  std::vector<Json> objects;
  bool all_up = true;
  for (const Answer& a : *answers) {
    Json peers = Json::array();
    for (const control::Peer& p : a.reply.peers().peers()) {
      all_up = all_up && (p.state() == "up" || p.trouble() == kLeft);
      peers.push_back(json_of_trouble(p));
      if (!options.run_file.json) print(a.node, p);
    }
    objects.push_back({{"node", a.node}, {"peers", peers}});
  }
  if (options.run_file.json) print_json(options, std::move(objects));
  return all_up ? 0 : 1;
}

}  // namespace

void add_check(CommandLine line, Verb& chosen) {
  add_asking(line, chosen, "check",
             "Why neighbors are not up, when they are tried again, and what to do; exit code 1 "
             "where one is not and has not left",
             check);
}

}  // namespace starling::daemon
