// starling ping: how long a word takes to a neighbor and back over the link that is up.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "daemon/asking.h"

namespace starling::daemon {
namespace {

struct PingOptions : AskOptions {
  std::string peer;
  std::size_t count = 3;
};

constexpr std::chrono::seconds kPatience{8};  // the daemon's own is 5 s

double median_of(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

int ping(const PingOptions& options) {
  const auto nodes = asked_nodes(options);
  if (!nodes) return fail(nodes.error());
  control::Request request;
  request.mutable_ping()->set_peer(options.peer);
  std::vector<double> times;
  for (std::size_t i = 0; i < options.count; ++i) {
    const auto answers = ask_each(*nodes, request, kPatience);
    if (!answers) return fail(answers.error());
    times.push_back(answers->front().reply.ping().seconds());
  }
  const auto [least, most] = std::ranges::minmax(times);
  if (options.run_file.json) {
    print_json(options, std::vector<Json>{Json{
                            {"node", options.node}, {"peer", options.peer}, {"seconds", times}}});
    return 0;
  }
  fmt::print("{} to {} and back, {} times: least {:.3f} ms, median {:.3f} ms, most {:.3f} ms\n",
             options.node, options.peer, times.size(), least * 1e3, median_of(times) * 1e3,
             most * 1e3);
  return 0;
}

}  // namespace

void add_ping(CommandLine line, Verb& chosen) {
  auto [verb, options] =
      add_asking(line, chosen, "ping",
                 "Measure the time to a neighbor and back over the link that is up", ping);
  verb.option("--node").required().description("the node that asks, on this machine");
  verb.add_option("peer", options->peer, "its neighbor").required().type_name("PEER");
  verb.add_option("--count", options->count, "how many times, one after the other (default 3)")
      .range(1, 1000)
      .type_name("N");
}

}  // namespace starling::daemon
