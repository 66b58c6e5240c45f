// Arrivals computed by hand: links of 1000 bytes a second, so a byte is a millisecond.
#include "sim/network.h"

#include <doctest/doctest.h>

using namespace starling;
using namespace starling::sim;
using namespace std::chrono_literals;

namespace {

constexpr NodeId kA = node_id(0), kB = node_id(1), kC = node_id(2);
constexpr LinkModel kSlow{.delay = 5ms, .bytes_per_second = 1000};

// A message alone in the network.
Time arrival(Network& network, NodeId from, NodeId to, std::uint64_t bytes, Time now) {
  return network.received(to, bytes, network.reached(from, bytes, now));
}

}  // namespace

TEST_CASE("network: without bandwidth a message takes the delay, whatever its size") {
  Network network(2, {.delay = 3ms});
  CHECK(arrival(network, kA, kB, 1, 0ms) == 3ms);
  CHECK(arrival(network, kA, kB, 1'000'000'000, 1ms) == 4ms);
  Network none(2, {});
  CHECK(arrival(none, kA, kB, 100, 7ms) == 7ms);
}

TEST_CASE("network: a message takes its delay and one transmission, not two") {
  Network network(2, kSlow);
  CHECK(arrival(network, kA, kB, 100, 10ms) == 10ms + 5ms + 100ms);
}

TEST_CASE("network: messages of one node leave one after the other") {
  Network network(3, kSlow);
  CHECK(network.reached(kA, 100, 0ms) == 5ms);
  CHECK(network.reached(kA, 50, 0ms) == 105ms);
  CHECK(network.reached(kA, 10, 20ms) == 155ms);
  CHECK(network.reached(kA, 10, 500ms) == 505ms);  // the queue has run empty
  CHECK(network.reached(kB, 10, 20ms) == 25ms);    // another node's uplink
}

TEST_CASE("network: messages to one node come in one after the other") {
  Network network(3, kSlow);
  CHECK(network.received(kC, 100, 5ms) == 105ms);
  CHECK(network.received(kC, 100, 5ms) == 205ms);
  CHECK(network.received(kC, 100, 300ms) == 400ms);
  CHECK(network.received(kA, 100, 5ms) == 105ms);  // another node's downlink
}

TEST_CASE("network: both directions of a node are free of each other") {
  Network network(2, kSlow);
  CHECK(arrival(network, kA, kB, 100, 0ms) == 105ms);
  CHECK(arrival(network, kB, kA, 100, 0ms) == 105ms);
}

// A's message to C stands behind one to B. B's to C was sent later and is there first.
TEST_CASE("network: a message does not wait for one that was sent earlier and comes later") {
  Network network(3, kSlow);
  network.reached(kA, 100, 0ms);
  const Time from_a = network.reached(kA, 100, 0ms), from_b = network.reached(kB, 100, 1ms);
  CHECK(from_a == 105ms);
  REQUIRE(from_b == 6ms);
  CHECK(network.received(kC, 100, from_b) == 106ms);
  CHECK(network.received(kC, 100, from_a) == 206ms);
}

TEST_CASE("network: a message without bytes comes behind what was sent before it") {
  Network network(2, kSlow);
  const Time body = network.reached(kA, 100, 0ms), end = network.reached(kA, 0, 0ms);
  CHECK(network.received(kB, 100, body) == 105ms);
  CHECK(network.received(kB, 0, end) == 105ms);
}

TEST_CASE("network: a fraction of a nanosecond is rounded up") {
  Network network(2, {.bytes_per_second = 3e9});
  CHECK(arrival(network, kA, kB, 1, 0ms) == 1ns);
}
