// The table of limits in SECURITY.md is written from the code; STARLING_UPDATE_GOLDEN=1 rewrites
// it.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "daemon/control_server.h"
#include "gossip/mesh/mesh.h"
#include "gossip/norm_gate.h"
#include "node/strikes.h"
#include "peer/handshake.h"
#include "peer/limits.h"
#include "peer/links.h"

using namespace starling;

namespace {

const std::string kPage = std::string(STARLING_SOURCE_DIR) + "/SECURITY.md";
const std::string kBegin = "<!-- limits: written by tests/daemon/security_page_test.cc -->\n";
const std::string kEnd = "<!-- end of limits -->\n";

std::string kib(std::uint64_t bytes) { return fmt::format("{} KiB", bytes >> 10); }
std::string in_seconds(Duration time) { return fmt::format("{} s", seconds(time)); }

std::string limits() {
  const peer::LinkOptions links{};
  std::string text = "| who | what | limit | beyond it |\n|---|---|---|---|\n";
  const auto row = [&](const char* who, const char* what, const std::string& limit,
                       const char* beyond) {
    text += fmt::format("| {} | {} | {} | {} |\n", who, what, limit, beyond);
  };
  const char* const kClosed = "connection closed";
  row("stranger", "TLS and Hello together", in_seconds(links.handshake_max), kClosed);
  row("stranger", "connections that have not said a good Hello",
      fmt::format("{}, and 2 more per neighbor", peer::kStrangersMax),
      "not accepted until one is over");
  row("stranger", "the same from one address",
      fmt::format("{}, and 2 more per neighbor there", peer::kStrangersPerAddressMax),
      "closed at once");
  row("stranger", "certificates", kib(peer::kCertificateBytesMax), kClosed);
  row("stranger", "waiting for a refused one to hang up",
      fmt::format("{} or {}", in_seconds(peer::kDrainMax), kib(peer::kDrainedBytesMax)), kClosed);
  row("stranger", "of the thread that serves links, TLS's handshakes",
      fmt::format("{:.0f} % of its time", 100 * peer::kStrangersShare), "they wait for their turn");
  row("stranger", "message of a frame", kib(peer::kHandshakeLimits.message_bytes_max), kClosed);
  row("stranger", "body of a frame", fmt::format("{} B", peer::kHandshakeLimits.body_bytes_max),
      kClosed);
  row("neighbor", "Hellos that wait for an answer", fmt::format("{}", peer::kPendingMax),
      "the oldest is closed");
  row("neighbor", "links that it says there have been",
      fmt::format("{}, or {} more than there were", peer::kEpochToldMax, peer::kEpochsAheadMax),
      "link refused");
  row("neighbor", "body of a frame", "what the run's own configuration can need",
      "link closed, nothing allocated");
  row("neighbor", "progress of a frame",
      fmt::format("{} in {}", kib(peer::kProgressBytes), in_seconds(links.silence_max)),
      "link closed");
  row("neighbor", "bytes that it does not take, bytes that the node has not used yet",
      fmt::format("{} of the largest frames each", peer::kQueueFramesMax),
      "link closed; reading stops");
  row("neighbor", "norm of a message",
      fmt::format(
          "{:.0f} times the largest of the median of its last {}, the node's model, and the "
          "root of the number of parameters; never over 2^60",
          gossip::NormGate::kFactor, gossip::NormGate::kWindow),
      "link closed, nothing applied");
  row("neighbor", "rate of a step, in a mesh",
      fmt::format("{:.0f} times the node's own", gossip::kMeshRateFactor),
      "link closed, nothing applied");
  row("neighbor", "messages that are refused",
      fmt::format("{} in {}", node::Strikes::kMost, in_seconds(node::Strikes::kWithin)),
      "left out");
  row("neighbor", "time that it is left out",
      fmt::format("{}, doubling to {}", in_seconds(node::Strikes::kFirst),
                  in_seconds(node::Strikes::kLongest)),
      "tried again");
  row("local user", "connections to a control socket",
      fmt::format("{}", daemon::ControlServer::kConnectionsMax), kClosed);
  row("local user", "of these, those that follow the log",
      fmt::format("{}", daemon::ControlServer::kMonitorsMax), "error, connection closed");
  row("local user", "lines of the log that wait for it", kib(daemon::LogFollower::kBytesMax),
      "left out and counted");
  row("local user", "request", kib(daemon::ControlServer::kRequestBytesMax),
      "error, connection closed");
  row("local user", "a request that was begun", in_seconds(daemon::ControlServer::kRequestTime),
      kClosed);
  row("local user", "a connection that asks nothing", in_seconds(daemon::ControlServer::kIdleTime),
      kClosed);
  row("local user", "a reply, or a line of the log, that it does not take",
      in_seconds(daemon::ControlServer::kIdleTime), kClosed);
  return text;
}

}  // namespace

TEST_CASE("SECURITY.md shows the limits of the code") {
  std::ifstream in(kPage);
  REQUIRE(in.good());
  std::string page{std::istreambuf_iterator<char>(in), {}};
  const auto begin = page.find(kBegin), end = page.find(kEnd);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  const auto first = begin + kBegin.size();
  const std::string shown = page.substr(first, end - first);
  if (std::getenv("STARLING_UPDATE_GOLDEN")) {
    std::ofstream(kPage) << page.replace(first, end - first, limits());
    return;
  }
  CHECK(shown == limits());
}
