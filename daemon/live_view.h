// What a person sees while a flock runs.
#pragma once

#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/redrawn.h"
#include "protocol/control.pb.h"
#include "protocol/ids.h"

namespace starling::daemon {

// The newest word of each node of the run, in the run file's order; nothing for one that has not
// answered yet.
struct NodeView {
  std::string name;
  std::string ended;  // how its process ended; empty while it lives
  std::optional<control::StatusReply> status;
};

// On a terminal: a progress bar and a table that is drawn over itself. Elsewhere: one plain line
// each time the slowest node has made another evaluation. One thread.
class LiveView {
 public:
  LiveView(std::FILE* out, bool terminal) : out_(out), terminal_(terminal), drawn_(out, terminal) {}

  void begin(const std::string& algorithm, Round rounds);
  void update(const std::vector<NodeView>& nodes, double seconds);
  // Leaves the last table standing.
  void end();

 private:
  void draw(const std::vector<NodeView>& nodes, double seconds);
  void say(const std::vector<NodeView>& nodes, double seconds);

  std::FILE* const out_;
  const bool terminal_;
  std::string algorithm_;
  Round rounds_ = 0;
  Redrawn drawn_;
  std::optional<Round> said_;  // the evaluation that the last plain line told of
};

}  // namespace starling::daemon
