// starling pause, starling resume: training, or one link, rests for a while.
#include <fmt/format.h>

#include <string>

#include "daemon/asking.h"

namespace starling::daemon {
namespace {

struct PauseOptions : AskOptions {
  std::string peer;  // empty: training
};

// One that refuses is an error, whatever the others did.
int ask_and_tell(const PauseOptions& options, const control::Request& request,
                 const std::string& done) {
  std::optional<Error> failed;
  const auto answers = ask_all(options, request, std::chrono::seconds{5}, &failed);
  if (!answers) return fail(answers.error());
  std::vector<Json> objects;
  for (const Answer& a : *answers) {
    const control::PauseReply& p = a.reply.has_pause() ? a.reply.pause() : a.reply.resume();
    objects.push_back({{"node", a.node}, {"round", p.round()}, {"phase", p.phase()}});
    if (!options.run_file.json) fmt::print("{}: {} after {} rounds\n", a.node, done, p.round());
  }
  if (options.run_file.json) print_json(options, std::move(objects));
  return failed ? fail(*failed) : 0;
}

int pause(const PauseOptions& options) {
  control::Request request;
  request.mutable_pause()->set_peer(options.peer);
  return ask_and_tell(options, request,
                      options.peer.empty() ? "rests at the end of the round it is in,"
                                           : fmt::format("the link to {} rests", options.peer));
}

int resume(const PauseOptions& options) {
  control::Request request;
  request.mutable_resume()->set_peer(options.peer);
  return ask_and_tell(
      options, request,
      options.peer.empty() ? "goes on" : fmt::format("the link to {} comes back", options.peer));
}

}  // namespace

void add_pause(CommandLine line, Verb& chosen) {
  auto [verb, options] =
      add_asking(line, chosen, "pause",
                 "Let running daemons rest at the end of their round, their neighbors going on "
                 "without them; until `resume` or their end",
                 pause);
  verb.add_option("--peer", options->peer, "close the link to this neighbor in place of that")
      .type_name("PEER");
}

void add_resume(CommandLine line, Verb& chosen) {
  auto [verb, options] =
      add_asking(line, chosen, "resume", "Let daemons go on that have paused", resume);
  verb.add_option("--peer", options->peer, "open the link to this neighbor in place of that")
      .type_name("PEER");
}

}  // namespace starling::daemon
