// starling watch: the view of `starling up` of daemons that somebody else has started.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "daemon/asking.h"
#include "daemon/live_view.h"

namespace starling::daemon {
namespace {

constexpr int kLookEveryMs = 1000;
constexpr std::chrono::seconds kPatience{2};

// Those that do not answer any more keep their last words.
void note(const std::vector<Answer>& answers, std::vector<NodeView>& views, LiveView& view) {
  if (views.empty()) {
    const control::StatusReply& any = answers.front().reply.status();
    view.begin(any.algorithm(), any.rounds());
  }
  for (NodeView& one : views) one.ended = "gone";
  for (const Answer& a : answers) {
    auto at = std::ranges::find(views, a.node, &NodeView::name);
    if (at == views.end()) at = views.insert(at, {a.node, "", std::nullopt});
    at->ended.clear();
    at->status = a.reply.status();
  }
}

int watch(const AskOptions& options) {
  const auto nodes = asked_nodes(options);
  if (!nodes) return fail(nodes.error());
  control::Request request;
  request.mutable_status();
  std::vector<NodeView> views;
  LiveView view(stdout, ::isatty(STDOUT_FILENO) == 1);
  const auto begin = std::chrono::steady_clock::now();
  while (true) {
    const auto answers = ask_each(*nodes, request, kPatience);
    if (!answers && views.empty()) return fail(answers.error());
    if (!answers) break;
    if (options.run_file.json) {
      std::vector<Json> objects;
      for (const Answer& a : *answers) objects.push_back(json_of(a.reply.status()));
      print_json(options, std::move(objects));
      std::fflush(stdout);
    }
    note(*answers, views, view);
    if (!options.run_file.json) {
      view.update(views, seconds(std::chrono::steady_clock::now() - begin));
    }
    ::poll(nullptr, 0, kLookEveryMs);
  }
  if (!options.run_file.json) view.end();
  return 0;
}

}  // namespace

void add_watch(CommandLine line, Verb& chosen) {
  add_asking(line, chosen, "watch", "Follow running daemons as `up` does, until they end or Ctrl-C",
             watch);
}

}  // namespace starling::daemon
