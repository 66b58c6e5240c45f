// starling monitor: the log of running daemons, as it is written.
#include <poll.h>

#include <cerrno>
#include <cstdio>
#include <list>
#include <vector>

#include "daemon/asking.h"
#include "daemon/control_client.h"
#include "daemon/line_protocol.h"

namespace starling::daemon {
namespace {

struct MonitorOptions : AskOptions {
  std::string level = "info";
};

std::string text_of(const control::MonitorReply& line, bool json) {
  if (!json) return line_of(line);
  Json object = {{"time_ms", line.time_ms()}, {"node", line.node()}};
  if (line.dropped() > 0) {
    object["dropped"] = line.dropped();
  } else {
    object["level"] = line.level();
    object["message"] = line.text();
  }
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// False: nobody reads what is printed any more.
bool print(const std::vector<control::Reply>& replies, bool json) {
  for (const control::Reply& reply : replies) {
    std::printf("%s\n", text_of(reply.monitor(), json).c_str());
  }
  return std::fflush(stdout) == 0;
}

// Waits until one of them has something, or has ended.
bool wait_for(const std::list<Subscription>& logs, std::vector<pollfd>& ready) {
  ready.clear();
  for (const Subscription& log : logs) ready.push_back({log.descriptor(), POLLIN, 0});
  return ::poll(ready.data(), ready.size(), -1) > 0 || errno == EINTR;
}

int monitor(const MonitorOptions& options) {
  const auto nodes = asked_nodes(options);
  if (!nodes) return fail(nodes.error());
  control::Request request;
  request.mutable_monitor()->set_level(options.level);
  std::list<Subscription> logs;
  std::optional<Error> nobody;
  for (const Asked& node : *nodes) {
    auto log = Subscription::open(node.socket, request);
    if (log) {
      logs.push_back(std::move(*log));
    } else if (!nobody) {
      nobody = log.error();
    }
  }
  if (logs.empty()) return fail(*nobody);
  std::vector<pollfd> ready;
  while (!logs.empty() && wait_for(logs, ready)) {
    std::size_t index = 0;
    for (auto log = logs.begin(); log != logs.end(); ++index) {
      if (ready[index].revents == 0) {
        ++log;
        continue;
      }
      const auto replies = log->read();
      if (!replies) return fail(replies.error());
      if (!print(*replies, options.run_file.json)) return 0;
      log = log->is_over() ? logs.erase(log) : std::next(log);
    }
  }
  return 0;
}

}  // namespace

void add_monitor(CommandLine line, Verb& chosen) {
  auto [verb, options] =
      add_asking(line, chosen, "monitor",
                 "Follow the log of running daemons, until they end or Ctrl-C", monitor);
  verb.add_option("--log-level", options->level,
                  "debug, info, warn or error, whatever the daemons write to their own logs")
      .one_of({"debug", "info", "warn", "error"})
      .type_name("LEVEL");
}

}  // namespace starling::daemon
