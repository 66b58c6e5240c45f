#include "daemon/health.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "node/core.h"
#include "peer/links.h"

namespace starling::daemon {
namespace {

void note_standstill(const control::StatusReply& status, HealthReport& report) {
  if (status.standstill_seconds() <= status.standstill_seconds_max()) return;
  report.health = Health::stalled;
  report.reasons.push_back(fmt::format(
      "trains, and no round has ended for {:.0f} s, {:g} s at most; it waits for {}",
      status.standstill_seconds(), status.standstill_seconds_max(),
      status.waiting_for().empty() ? std::string("its own step")
                                   : fmt::format("{}", fmt::join(status.waiting_for(), ", "))));
}

void note_neighbors(const control::PeersReply& reply, HealthReport& report) {
  int away = 0, left = 0;
  for (const control::Peer& p : reply.peers()) {
    if (p.left_out_seconds() > 0) {
      ++away;
      report.reasons.push_back(fmt::format("{} is left out for {:.0f} s: {}", p.name(),
                                           p.left_out_seconds(), p.last_reason()));
    } else if (p.state() == "up") {
      continue;
    } else if (p.trouble() == peer::name_of(peer::LinkTrouble::left)) {
      ++left;
    } else {
      ++away;
      report.reasons.push_back(fmt::format("{} is {}: {}", p.name(), p.state(), p.reason()));
    }
  }
  if (away == 0) return;
  report.health = std::max(report.health,
                           away + left == reply.peers().size() ? Health::down : Health::degraded);
}

}  // namespace

const char* name_of(Health health) {
  switch (health) {
    case Health::healthy: return "healthy";
    case Health::degraded: return "degraded";
    case Health::stalled: return "stalled";
    case Health::down: return "down";
  }
  return "?";
}

int exit_code_of(Health health) {
  switch (health) {
    case Health::healthy: return 0;
    case Health::degraded: return 1;
    case Health::stalled:
    case Health::down: return 2;
  }
  return 2;
}

HealthReport health_of(const control::StatusReply& status, const control::PeersReply& peers) {
  if (status.phase() == node::name_of(node::Phase::paused)) {
    return {.health = Health::healthy,
            .reasons = {fmt::format("is paused by its operator, after {} rounds", status.round())}};
  }
  HealthReport report;
  note_standstill(status, report);
  note_neighbors(peers, report);
  return report;
}

}  // namespace starling::daemon
