// starling metrics: the figures of running daemons for Prometheus, without HTTP.
#include <cstdio>
#include <string>
#include <vector>

#include "daemon/asking.h"
#include "daemon/metrics.h"

namespace starling::daemon {
namespace {

int metrics(const AskOptions& options) {
  control::Request request;
  request.mutable_metrics();
  const auto answers = ask_all(options, request);
  if (!answers) return fail(answers.error());
  std::vector<Json> objects;
  std::vector<std::string> texts;
  for (const Answer& a : *answers) {
    texts.push_back(a.reply.metrics().text());
    objects.push_back({{"node", a.node}, {"text", texts.back()}});
  }
  if (options.run_file.json) {
    print_json(options, std::move(objects));
  } else {
    std::fputs(joined(texts).c_str(), stdout);
  }
  return 0;
}

}  // namespace

void add_metrics(CommandLine line, Verb& chosen) {
  add_asking(line, chosen, "metrics",
             "Figures of running daemons in Prometheus' text format, for its textfile collector",
             metrics);
}

}  // namespace starling::daemon
