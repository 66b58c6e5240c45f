// Neighbors that come and go while links are up.
#include <doctest/doctest.h>

#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

// Three nodes that know of each other, and the edges of a graph among them.
struct Three {
  using Edges = std::vector<std::pair<std::size_t, std::size_t>>;

  explicit Three(const Edges& edges) {
    for (std::size_t i = 0; i < 3; ++i) {
      LinkOptions options = flock.options(i);
      options.neighbors = neighbors(i, edges);
      options.fingerprint.push_back({"topology", "first"});
      nodes.push_back(std::make_unique<Node>(io, options));
      REQUIRE((*nodes[i])->listen().ok());
      (*nodes[i])->start();
    }
  }
  Node& operator[](std::size_t i) { return *nodes[i]; }

  std::vector<Neighbor> neighbors(std::size_t self, const Edges& edges) const {
    std::vector<Neighbor> all;
    for (const Neighbor& one : flock.options(self).neighbors) {
      const std::size_t other = index_of(one.id);
      const auto is_it = [&](const auto& e) {
        return std::minmax(self, other) == std::minmax(e.first, e.second);
      };
      if (std::ranges::any_of(edges, is_it)) all.push_back(one);
    }
    return all;
  }
  // To another graph, with bodies that much larger.
  void rewire(std::size_t i, const Edges& edges, const std::string& topology,
              std::uint64_t more_bytes = 0) {
    Fingerprint fingerprint = flock.options(i).fingerprint;
    fingerprint.push_back({"topology", topology});
    (*nodes[i])->rewire(neighbors(i, edges), fingerprint,
                        flock.options(i).body_bytes_max + more_bytes);
  }
  bool all_up(std::size_t i, std::size_t degree) {
    const auto status = (*nodes[i])->status();
    return status.size() == degree && std::ranges::all_of(status, [](const LinkStatus& link) {
             return link.state == LinkState::up;
           });
  }

  asio::io_context io;
  Flock flock{3};
  std::vector<std::unique_ptr<Node>> nodes;
};

const Three::Edges kPath{{0, 1}, {1, 2}}, kOther{{0, 1}, {0, 2}};

}  // namespace

TEST_CASE("a neighbor that is gone hears why, a new one is dialled, one that stays comes back") {
  Three three(kPath);
  REQUIRE(run_until(
      three.io, [&] { return three.all_up(0, 1) && three.all_up(1, 2) && three.all_up(2, 1); }));
  const std::size_t told = three[1].told.size();
  for (std::size_t i = 0; i < 3; ++i) three.rewire(i, kOther, "second");
  REQUIRE(run_until(
      three.io, [&] { return three.all_up(0, 2) && three.all_up(1, 1) && three.all_up(2, 1); }));
  CHECK(three[1].told.size() == told + 1);  // nobody is told of what was closed on purpose
  CHECK(three[1].told.back() == "up 0 epoch 2");
  CHECK(three[2].told.back() == "up 0 epoch 1");
  CHECK(three[0]->status().size() == 2);
}

TEST_CASE("what was sent before a node rewired arrives at one that has not") {
  Three three(kPath);
  REQUIRE(run_until(three.io, [&] { return three.all_up(0, 1) && three.all_up(1, 2); }));
  for (std::size_t i = 0; i < 3; ++i) {
    three[0]->send(node_id(1), {.epoch = 1, .round = i}, bytes_of(100'000, 3));
  }
  three.rewire(0, kPath, "second");
  REQUIRE(run_until(three.io, [&] { return three[1].told.back().starts_with("down 0"); }));
  CHECK(three[1].frames.size() == 3);
  CHECK(three[1].told.back() == "down 0: n0 has read its run file again: n0 has another graph now");
}

// A mesh of fewer nodes has larger shards.
TEST_CASE("bodies may be larger on links to a graph that makes them so") {
  constexpr std::size_t kMore = 100'000;
  Three three(kPath);
  REQUIRE(run_until(three.io, [&] { return three.all_up(0, 1) && three.all_up(1, 2); }));
  for (std::size_t i = 0; i < 3; ++i) three.rewire(i, kPath, "second", kMore);
  REQUIRE(run_until(three.io, [&] { return three[1].told.back() == "up 0 epoch 2"; }));
  const std::size_t size = three.flock.options(0).body_bytes_max + kMore;
  three[0]->send(node_id(1), {.epoch = 2}, bytes_of(size, 3));
  REQUIRE(run_until(three.io, [&] { return three[1].frames.size() == 1; }));
  CHECK(three.all_up(0, 1));
}

TEST_CASE("nodes of two topologies say so, and are linked when the other one has followed") {
  Three three(kPath);
  REQUIRE(run_until(three.io, [&] { return three.all_up(0, 1) && three.all_up(1, 2); }));
  three.rewire(0, kPath, "second");
  const std::string differs = "the topology differs: ours is 'second', that of n1 is 'first'";
  REQUIRE(run_until(three.io, [&] { return three[0].status().reason.starts_with(differs); }));
  three.rewire(1, kPath, "second");
  CHECK(run_until(
      three.io, [&] { return three.all_up(0, 1); }, std::chrono::seconds{2}));
  CHECK(three[0].told.back() == "up 1 epoch 2");
}

TEST_CASE("nodes that know otherwise who is away hear what the other knows, and nobody warns") {
  for (const bool tls : {false, true}) {
    CAPTURE(tls);
    asio::io_context io;
    const Flock flock(2, tls);
    std::vector<std::unique_ptr<Node>> nodes;
    for (const std::size_t i : {0, 1}) {
      LinkOptions options = flock.options(i);
      options.fingerprint.push_back({kAwayField, i == 0 ? "none" : "2:1"});
      nodes.push_back(std::make_unique<Node>(io, options));
      REQUIRE((*nodes[i])->listen().ok());
      (*nodes[i])->start();
    }
    REQUIRE(run_until(
        io, [&] { return !nodes[0]->differences.empty() && !nodes[1]->differences.empty(); }));
    CHECK(nodes[0]->differences == std::set<std::string>{"n1: away is 2:1"});
    CHECK(nodes[1]->differences == std::set<std::string>{"n0: away is none"});
    for (const auto& node : nodes) {
      CHECK(node->told.empty());
      CHECK(node->log().find("link refused") == std::string::npos);
    }
  }
}

TEST_CASE("a neighbor that is away is dialled, and has no link before it is back") {
  asio::io_context io;
  const Flock flock(2);
  LinkOptions options = flock.options(0);
  options.neighbors[0].away = true;
  Node here(io, options), other(io, flock.options(1));
  REQUIRE(here->listen().ok());
  REQUIRE(other->listen().ok());
  here->start();
  other->start();
  REQUIRE(run_until(io, [&] {
    return other.status().reason.ends_with("n1 is away, and has not said that it is back");
  }));
  CHECK(here.told.empty());
  options.neighbors[0].away = false;
  options.fingerprint.push_back({kAwayField, "1:2"});
  Fingerprint back = options.fingerprint;
  here->rewire(options.neighbors, back, options.body_bytes_max);
  other->rewire(flock.options(1).neighbors, back, options.body_bytes_max);
  CHECK(run_until(io, [&] { return here.up() && other.up(); }));
}

TEST_CASE("an address alone changes without a link going down") {
  Three three(kPath);
  REQUIRE(run_until(three.io, [&] { return three.all_up(0, 1); }));
  auto neighbors = three.neighbors(0, kPath);
  neighbors[0].address = "127.0.0.1:1";
  Fingerprint fingerprint = three.flock.options(0).fingerprint;
  fingerprint.push_back({"topology", "first"});
  three[0]->rewire(neighbors, fingerprint, three.flock.options(0).body_bytes_max);
  run_for(three.io, milliseconds{50});
  CHECK(three.all_up(0, 1));
  CHECK(three[0].told == std::vector<std::string>{"up 1 epoch 1"});
}

TEST_CASE("a neighbor that says Hello again while its link is up does not disturb a rewiring") {
  asio::io_context io;
  const Flock flock(2);
  LinkOptions options = flock.options(0);
  Node node(io, options);
  REQUIRE(node->listen().ok());
  node->start();
  RawPeer first(io, flock.port(0)), again(io, flock.port(0));
  REQUIRE(first.shake_hands(flock.options(1), "n0") == 1);
  REQUIRE(run_until(io, [&] { return node.up(); }));
  again.send_message(FrameType::hello, 0, hello_of(flock.options(1), "n0"));
  run_for(io, milliseconds{100});  // it waits there until the link proves to be alive
  options.fingerprint.push_back({"topology", "second"});
  node->rewire(options.neighbors, options.fingerprint, options.body_bytes_max);
  CHECK(first.closed());
  CHECK(again.closed());
  CHECK(node.told == std::vector<std::string>{"up 1 epoch 1"});
}

TEST_CASE("a body of a neighbor that is gone may be given back") {
  Three three(kPath);
  REQUIRE(run_until(three.io, [&] { return three.all_up(1, 2) && three.all_up(2, 1); }));
  three[2].consumes = false;
  three[1]->send(node_id(2), {.epoch = 1}, bytes_of(10, 1));
  REQUIRE(run_until(three.io, [&] { return three[2].frames.size() == 1; }));
  three.rewire(2, kOther, "second");
  three[2]->consumed(node_id(1), 10);
  CHECK(run_until(three.io, [&] { return three[2]->status().size() == 1; }));
}
