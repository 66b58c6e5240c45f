// All daemons of a run on one machine, as `starling up` runs them.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/goal.h"
#include "daemon/live_view.h"
#include "daemon/process.h"
#include "node/config.h"
#include "node/report.h"
#include "protocol/result.h"

namespace starling::daemon {

struct FlockOptions {
  std::filesystem::path program;       // starlingd
  std::filesystem::path state_dir;     // of the run
  std::vector<std::string> overrides;  // passed on to every daemon
  bool fresh = false;                  // likewise
  // Words put in front of every daemon's command; "{i}" becomes the node's number. So each can be
  // run in its own network namespace or on its own processor.
  std::vector<std::string> launcher;
};

struct FlockResult {
  node::RunReport report;
  std::optional<Reached> reached;
  bool interrupted = false;  // by a signal
};

// Starts one daemon a node, follows them through their control sockets, and gathers their reports
// when they have ended. A daemon that dies of a signal is missing from the report and the others go
// on; one that ends by itself with an error ends the flock, and its sentence and code are the
// error. The first SIGINT or SIGTERM stops all daemons, which takes 3 s at most. One thread; no
// daemon is left when run() returns.
class Flock {
 public:
  Flock(const node::Config& config, FlockOptions options, LiveView& view);

  Result<FlockResult> run();

 private:
  struct Member {
    std::string name;
    ChildProcess process;
  };

  Result<void> start();
  std::vector<std::string> command_of(std::size_t node) const;
  bool all_ended();
  std::optional<Error> failure_of_one();
  std::vector<NodeView> look();
  void note_evaluations(const std::vector<NodeView>& nodes, FlockResult& result);
  void note_reports(FlockResult& result);
  void stop_all();
  void kill_the_late();
  node::RunReport gather(double wall_seconds);

  const node::Config& config_;
  const FlockOptions options_;
  LiveView& view_;
  std::vector<Member> members_;
  std::vector<NodeView> last_seen_;
  std::optional<Goal> goal_;
  std::optional<double> stopped_at_;  // seconds, on the clock of run()
  double elapsed_ = 0;
};

}  // namespace starling::daemon
