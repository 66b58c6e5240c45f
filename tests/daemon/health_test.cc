// From what a node answers to healthy, degraded, stalled or down.
#include "daemon/health.h"

#include <doctest/doctest.h>

using namespace starling::daemon;
namespace control = starling::control;

namespace {

using Reasons = std::vector<std::string>;

control::StatusReply status_of(const std::string& phase, double standstill = 0) {
  control::StatusReply status;
  status.set_phase(phase);
  status.set_round(7);
  status.set_standstill_seconds(standstill);
  status.set_standstill_seconds_max(600);
  return status;
}

struct Far {
  const char* name;
  const char* state;
  const char* trouble = "none";
  double left_out = 0;
};

control::PeersReply peers_of(const std::vector<Far>& all) {
  control::PeersReply reply;
  for (const Far& one : all) {
    control::Peer& peer = *reply.add_peers();
    peer.set_name(one.name);
    peer.set_state(one.state);
    peer.set_trouble(one.trouble);
    peer.set_left_out_seconds(one.left_out);
    peer.set_reason("why");
    peer.set_last_reason("what was last");
  }
  return reply;
}

}  // namespace

TEST_CASE("health: of neighbors that are up, away, left out, or have left") {
  const auto training = status_of("training");
  const auto check = [&](const std::vector<Far>& peers) {
    return health_of(training, peers_of(peers));
  };
  CHECK(check({}).health == Health::healthy);
  CHECK(check({{"n1", "up"}, {"n3", "up"}}).reasons.empty());
  const auto one = check({{"n1", "down"}, {"n3", "up"}});
  CHECK(one.health == Health::degraded);
  CHECK(one.reasons == Reasons{"n1 is down: why"});
  const auto late = check({{"n1", "up", "none", 30}, {"n3", "up"}});
  CHECK(late.health == Health::degraded);
  CHECK(late.reasons == Reasons{"n1 is left out for 30 s: what was last"});
  CHECK(check({{"n1", "down", "left"}, {"n3", "up"}}).health == Health::healthy);
  CHECK(check({{"n1", "down", "left"}, {"n3", "down", "left"}}).health == Health::healthy);
  CHECK(check({{"n1", "down"}, {"n3", "down", "left"}}).health == Health::down);
  CHECK(check({{"n1", "down"}, {"n3", "connecting"}}).health == Health::down);
}

TEST_CASE("health: a node that trains without a round says for how long and whom it waits for") {
  const auto peers = peers_of({{"n1", "up"}, {"n3", "up"}});
  CHECK(health_of(status_of("training", 600), peers).health == Health::healthy);
  auto status = status_of("training", 601);
  auto stalled = health_of(status, peers);
  CHECK(stalled.health == Health::stalled);
  CHECK(stalled.reasons == Reasons{"trains, and no round has ended for 601 s, 600 s at most; it "
                                   "waits for its own step"});
  status.add_waiting_for("n1");
  status.add_waiting_for("n3");
  stalled = health_of(status, peers_of({{"n1", "down"}, {"n3", "up"}}));
  CHECK(stalled.health == Health::stalled);
  CHECK(stalled.reasons == Reasons{"trains, and no round has ended for 601 s, 600 s at most; it "
                                   "waits for n1, n3",
                                   "n1 is down: why"});
  CHECK(health_of(status, peers_of({{"n1", "down"}})).health == Health::down);
}

TEST_CASE("health: a node that its operator has paused misses nobody") {
  const auto paused = health_of(status_of("paused"), peers_of({{"n1", "down", "paused"}}));
  CHECK(paused.health == Health::healthy);
  CHECK(paused.reasons == Reasons{"is paused by its operator, after 7 rounds"});
}

TEST_CASE("health: exit codes") {
  CHECK(exit_code_of(Health::healthy) == 0);
  CHECK(exit_code_of(Health::degraded) == 1);
  CHECK(exit_code_of(Health::stalled) == 2);
  CHECK(exit_code_of(Health::down) == 2);
}
