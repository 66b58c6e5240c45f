// Arrivals computed by hand: links of 1000 bytes a second, so a byte is a millisecond.
#include "sim/network.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace starling;
using namespace starling::sim;
using namespace std::chrono_literals;

namespace {

constexpr NodeId kA = node_id(0), kB = node_id(1), kC = node_id(2);
constexpr LinkModel kSlow{.delay = 5ms, .bytes_per_second = 1000};

// A message alone in the network.
Time arrival(Network& network, NodeId from, NodeId to, std::uint64_t bytes, Time now) {
  return network.received(from, to, bytes, network.reached(from, to, bytes, now));
}

}  // namespace

TEST_CASE("network: without bandwidth a message takes the delay, whatever its size") {
  Network network(2, {.model = {.delay = 3ms}});
  CHECK(arrival(network, kA, kB, 1, 0ms) == 3ms);
  CHECK(arrival(network, kA, kB, 1'000'000'000, 1ms) == 4ms);
  Network none(2, {});
  CHECK(arrival(none, kA, kB, 100, 7ms) == 7ms);
}

TEST_CASE("network: a message takes its delay and one transmission, not two") {
  Network network(2, {kSlow});
  CHECK(arrival(network, kA, kB, 100, 10ms) == 10ms + 5ms + 100ms);
}

TEST_CASE("network: messages of one node leave one after the other") {
  Network network(3, {kSlow});
  CHECK(network.reached(kA, kB, 100, 0ms) == 5ms);
  CHECK(network.reached(kA, kB, 50, 0ms) == 105ms);
  CHECK(network.reached(kA, kB, 10, 20ms) == 155ms);
  CHECK(network.reached(kA, kB, 10, 500ms) == 505ms);  // the queue has run empty
  CHECK(network.reached(kB, kC, 10, 20ms) == 25ms);    // another node's uplink
}

TEST_CASE("network: messages to one node come in one after the other") {
  Network network(3, {kSlow});
  CHECK(network.received(kA, kC, 100, 5ms) == 105ms);
  CHECK(network.received(kA, kC, 100, 5ms) == 205ms);
  CHECK(network.received(kA, kC, 100, 300ms) == 400ms);
  CHECK(network.received(kB, kA, 100, 5ms) == 105ms);  // another node's downlink
}

TEST_CASE("network: both directions of a node are free of each other") {
  Network network(2, {kSlow});
  CHECK(arrival(network, kA, kB, 100, 0ms) == 105ms);
  CHECK(arrival(network, kB, kA, 100, 0ms) == 105ms);
}

// A's message to C stands behind one to B. B's to C was sent later and is there first.
TEST_CASE("network: a message does not wait for one that was sent earlier and comes later") {
  Network network(3, {kSlow});
  network.reached(kA, kB, 100, 0ms);
  const Time from_a = network.reached(kA, kC, 100, 0ms), from_b = network.reached(kB, kC, 100, 1ms);
  CHECK(from_a == 105ms);
  REQUIRE(from_b == 6ms);
  CHECK(network.received(kB, kC, 100, from_b) == 106ms);
  CHECK(network.received(kA, kC, 100, from_a) == 206ms);
}

TEST_CASE("network: a message without bytes comes behind what was sent before it") {
  Network network(2, {kSlow});
  const Time body = network.reached(kA, kB, 100, 0ms), end = network.reached(kA, kB, 0, 0ms);
  CHECK(network.received(kA, kB, 100, body) == 105ms);
  CHECK(network.received(kA, kB, 0, end) == 105ms);
}

TEST_CASE("network: a fraction of a nanosecond is rounded up") {
  Network network(2, {.model = {.bytes_per_second = 3e9}});
  CHECK(arrival(network, kA, kB, 1, 0ms) == 1ns);
}

// ---- jitter ---------------------------------------------------------------------------------

namespace {

constexpr LinkModel kShaky{.delay = 5ms, .jitter = 10ms};

// What messages of one way took that were sent far apart.
std::vector<Duration> travels(Network& network, NodeId from, NodeId to, int messages) {
  std::vector<Duration> took;
  for (int i = 0; i < messages; ++i) {
    const Time sent = i * 1s;
    took.push_back(network.reached(from, to, 1, sent) - sent);
  }
  return took;
}

}  // namespace

TEST_CASE("network: jitter is uniform between none and its most") {
  constexpr int kMessages = 1000;
  Network network(2, {.model = kShaky, .seed = 1});
  const auto took = travels(network, kA, kB, kMessages);
  double sum = 0;
  for (const Duration each : took) {
    CHECK(each >= 5ms);
    CHECK(each <= 15ms);
    sum += seconds(each);
  }
  const double standard_error = 0.010 / std::sqrt(12.0 * kMessages);
  CHECK(std::abs(sum / kMessages - 0.010) < 5 * standard_error);
  CHECK(*std::ranges::min_element(took) < 5100us);
  CHECK(*std::ranges::max_element(took) > 14900us);
}

TEST_CASE("network: jitter is a function of seed, way and message") {
  Network network(3, {.model = kShaky, .seed = 1}), again(3, {.model = kShaky, .seed = 1});
  travels(again, kB, kC, 5);  // other ways do not shift it
  const auto took = travels(network, kA, kB, 10);
  CHECK(travels(again, kA, kB, 10) == took);
  CHECK(travels(network, kB, kA, 10) != took);
  CHECK(travels(network, kA, kC, 10) != took);
  Network other(3, {.model = kShaky, .seed = 2});
  CHECK(travels(other, kA, kB, 10) != took);
}

TEST_CASE("network: jitter overtakes nothing on a link") {
  for (const double rate : {0.0, 1000.0}) {
    const SingleLink thin{.a = kA, .b = kB, .bytes_per_second = rate};
    Network network(2, {.model = kShaky, .links = {thin}, .seed = 1});
    Time first{0}, last{0};
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t bytes = i % 2 == 0 ? 20 : 1;
      const Time there = network.reached(kA, kB, bytes, i * 1ms);
      CHECK(there >= first);
      first = there;
      const Time whole = network.received(kA, kB, bytes, there);
      CHECK(whole >= last);
      last = whole;
    }
  }
}

// ---- single links ---------------------------------------------------------------------------

TEST_CASE("network: one link has a delay of its own, in both directions") {
  const SingleLink far{.a = kB, .b = kA, .delay = 50ms};
  Network network(3, {.model = {.delay = 5ms}, .links = {far}});
  CHECK(arrival(network, kA, kB, 100, 0ms) == 50ms);
  CHECK(arrival(network, kB, kA, 100, 0ms) == 50ms);
  CHECK(arrival(network, kA, kC, 100, 0ms) == 5ms);
}

// At 1000 bytes a second for all and 100 for the link from A to B. The second message enters the
// link when the first is through; the one to C leaves A as if there were no slow link.
TEST_CASE("network: a thin link holds up its own messages alone") {
  const SingleLink thin{.a = kA, .b = kB, .bytes_per_second = 100};
  Network network(3, {.model = kSlow, .links = {thin}});
  CHECK(arrival(network, kA, kB, 100, 0ms) == 5ms + 1000ms);
  CHECK(arrival(network, kA, kB, 100, 0ms) == 5ms + 2000ms);
  CHECK(arrival(network, kA, kC, 100, 0ms) == 5ms + 300ms);
}

TEST_CASE("network: a link with more room than its ends is as fast as they are") {
  const SingleLink wide{.a = kA, .b = kB, .bytes_per_second = 1e6};
  Network network(2, {.model = kSlow, .links = {wide}});
  CHECK(arrival(network, kA, kB, 100, 0ms) == 105ms);
}

TEST_CASE("network: of a link that is named twice the last counts") {
  const SingleLink first{.a = kA, .b = kB, .delay = 50ms, .bytes_per_second = 1};
  Network network(2, {.model = kSlow, .links = {first, {.a = kB, .b = kA, .delay = 7ms}}});
  CHECK(arrival(network, kA, kB, 100, 0ms) == 107ms);
}
