#include <doctest/doctest.h>

#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

struct Pair {
  explicit Pair(const std::function<void(LinkOptions&)>& change = [](LinkOptions&) {}) {
    for (std::size_t i = 0; i < 2; ++i) {
      auto options = flock.options(i);
      change(options);
      nodes.push_back(std::make_unique<Node>(io, options));
      REQUIRE((*nodes[i])->listen().ok());
    }
  }
  Node& operator[](std::size_t i) { return *nodes[i]; }
  void start() {
    for (auto& node : nodes) (*node)->start();
  }
  bool both_up() {
    start();
    return run_until(io, [&] { return nodes[0]->up() && nodes[1]->up(); });
  }

  asio::io_context io;
  Flock flock{2};
  std::vector<std::unique_ptr<Node>> nodes;
};

using Told = std::vector<std::string>;

}  // namespace

TEST_CASE("two nodes exchange messages, in order, both ways, bytes equal") {
  Pair pair;
  pair[0]->set_round(41);
  REQUIRE(pair.both_up());
  CHECK(pair[1].last_told.theirs == 41);
  constexpr std::size_t kCount = 30;
  const std::vector<std::size_t> sizes{0, 1, 4, 1000, 70'000, 300'000};
  const auto body_of = [&](std::size_t from, std::size_t i) {
    return bytes_of(sizes[i % sizes.size()], static_cast<unsigned char>(from * 100 + i));
  };
  for (std::size_t i = 0; i < kCount; ++i) {
    for (std::size_t from : {0, 1}) {
      pair[from]->send(node_id(1 - from), {.epoch = 1, .round = i, .exchange = 3},
                       body_of(from, i));
    }
    REQUIRE(
        run_until(pair.io, [&] { return pair[0].frames.size() > i && pair[1].frames.size() > i; }));
  }
  for (std::size_t to : {0, 1}) {
    REQUIRE(pair[to].frames.size() == kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
      const Frame& frame = pair[to].frames[i];
      CHECK(frame.from == node_id(1 - to));
      CHECK(frame.header.sequence == i);
      CHECK(frame.header.round == i);
      CHECK(frame.header.exchange == 3);
      CHECK(frame.header.epoch == 1);
      const SharedBytes expected = body_of(1 - to, i);
      CHECK(std::ranges::equal(frame.body.bytes(), expected.bytes()));
    }
    CHECK(pair[to].told == Told{fmt::format("up {} epoch 1", 1 - to)});
  }
  const auto sent = pair[0].status().sent_bytes, received = pair[1].status().received_bytes;
  CHECK(sent > kCount * kFrameHeaderBytes);
  CHECK(sent + 200 > received);
  CHECK(received + 200 > sent);
}

TEST_CASE("a neighbor's name is looked up when it is dialled") {
  asio::io_context io;
  Flock flock(2);
  auto named = flock.options(0), wrong = flock.options(1);
  named.neighbors[0].address = fmt::format("localhost:{}", flock.port(1));
  wrong.neighbors[0].address = "no-such-host.invalid:7700";
  Node a(io, named), b(io, wrong);
  for (Node* node : {&a, &b}) {
    REQUIRE((*node)->listen().ok());
    (*node)->start();
  }
  CHECK(run_until(io, [&] { return a.up() && b.up(); }));
}

TEST_CASE("events never come from inside a call") {
  Pair pair([](LinkOptions& o) { o.queue_bytes_max = 1000; });
  REQUIRE(pair.both_up());
  const auto before = pair[0].told.size();
  pair[0]->send(node_id(1), {.epoch = 1}, bytes_of(2000, 1));
  pair[1]->misbehaved(node_id(0), "test");
  CHECK(pair[0].told.size() == before);
  CHECK(pair[1].told.size() == before);
  CHECK(run_until(pair.io, [&] { return pair[0].told.size() > before; }));
  CHECK(run_until(pair.io, [&] { return pair[1].told.size() > before; }));
}

TEST_CASE("a message for an epoch that is over is dropped") {
  Pair pair;
  pair[0]->send(node_id(1), {.epoch = 1}, bytes_of(8, 1));
  REQUIRE(pair.both_up());
  pair[0]->send(node_id(1), {.epoch = 2}, bytes_of(8, 2));
  pair[0]->send(node_id(1), {.epoch = 1}, bytes_of(8, 3));
  REQUIRE(run_until(pair.io, [&] { return !pair[1].frames.empty(); }));
  CHECK(pair[1].frames[0].header.sequence == 0);
  CHECK(std::ranges::equal(pair[1].frames[0].body.bytes(), bytes_of(8, 3).bytes()));
}

TEST_CASE("stop sends what is queued and a goodbye that says why") {
  const std::pair<Farewell, const char*> cases[] = {
      {Farewell::finished, "down 0: n0 has finished its run"},
      {Farewell::stopped, "down 0: n0 was stopped"},
      {Farewell::left, "down 0: n0 has left"}};
  for (const auto& [farewell, told] : cases) {
    Pair pair([](LinkOptions& o) { o.queue_bytes_max = 4 << 20; });
    REQUIRE(pair.both_up());
    for (int i = 0; i < 3; ++i) {
      pair[0]->send(node_id(1), {.epoch = 1}, bytes_of(900'000, static_cast<unsigned char>(i)));
    }
    bool done = false;
    pair[0]->stop(farewell, std::chrono::seconds{5}, [&] { done = true; });
    CHECK_FALSE(done);
    REQUIRE(run_until(
        pair.io, [&] { return done; }, std::chrono::seconds{4}));
    pair[0].kill();
    REQUIRE(run_until(pair.io, [&] { return !pair[1].up(); }));
    CHECK(pair[1].frames.size() == 3);
    CHECK(pair[1].told.back() == told);
    CHECK(pair[1].left == (farewell == Farewell::left ? Told{told} : Told{}));
    CHECK(pair[0].told == Told{"up 1 epoch 1", "down 1: this node stops"});
  }
}

TEST_CASE("a neighbor that has left is dialled in silence, and welcome when it is back") {
  Pair pair([](LinkOptions& o) {
    o.redial_refused = milliseconds{20};
    o.redial_max = milliseconds{20};
  });
  REQUIRE(pair.both_up());
  bool done = false;
  pair[1]->stop(Farewell::left, std::chrono::seconds{5}, [&] { done = true; });
  REQUIRE(run_until(pair.io, [&] { return done; }));
  const LinkOptions options = pair.flock.options(1);
  pair[1].kill();
  REQUIRE(run_until(pair.io, [&] { return !pair[0].up(); }));
  pair[0].forget();
  REQUIRE(run_until(pair.io, [&] { return pair[0].status().dials >= 5; }));
  CHECK(pair[0].status().trouble == LinkTrouble::left);
  CHECK(pair[0].status().reason == "n1 has left");
  CHECK(pair[0].log() == "");
  Node back(pair.io, options);
  REQUIRE(back->listen().ok());
  back->start();
  CHECK(run_until(pair.io, [&] { return pair[0].up() && back.up(); }));
}

TEST_CASE("both stop at once") {
  Pair pair;
  REQUIRE(pair.both_up());
  int done = 0;
  for (auto& node : pair.nodes)
    (*node)->stop(Farewell::finished, std::chrono::seconds{5}, [&] { ++done; });
  CHECK(run_until(
      pair.io, [&] { return done == 2; }, std::chrono::seconds{2}));
}

TEST_CASE("stop without any link, and with a dial under way") {
  asio::io_context io;
  Flock flock(2);
  Node node(io, flock.options(0));
  REQUIRE(node->listen().ok());
  node->start();
  run_for(io, milliseconds{20});
  CHECK(node.status().reason == "never connected: connection refused");
  CHECK(node.told.empty());
  bool done = false;
  node->stop(Farewell::stopped, std::chrono::seconds{5}, [&] { done = true; });
  CHECK(run_until(
      io, [&] { return done; }, std::chrono::seconds{1}));
}

TEST_CASE("stop is over at its deadline even if a peer does not read") {
  asio::io_context io;
  Flock flock(2);
  auto options = flock.options(0);
  options.queue_bytes_max = 100 << 20;
  Node node(io, options);
  REQUIRE(node->listen().ok());
  node->start();
  RawPeer peer(io, flock.port(0));
  REQUIRE(peer.shake_hands(flock.options(1), "n0") == 1);
  REQUIRE(run_until(io, [&] { return node.up(); }));
  for (int i = 0; i < 40; ++i) node->send(node_id(1), {.epoch = 1}, bytes_of(1 << 20, 1));
  bool done = false;
  node->stop(Farewell::finished, milliseconds{300}, [&] { done = true; });
  CHECK(run_until(io, [&] { return done; }));
}

TEST_CASE("a peer that dies and returns comes up in the next epoch, at both ends") {
  for (const std::size_t killed : {0, 1}) {
    CAPTURE(killed);
    Pair pair;
    REQUIRE(pair.both_up());
    Node& other = pair[1 - killed];
    pair[killed].kill();
    REQUIRE(run_until(pair.io, [&] { return !other.up(); }));
    pair.nodes[killed] = std::make_unique<Node>(pair.io, pair.flock.options(killed));
    Node& returned = pair[killed];
    REQUIRE(returned->listen().ok());
    returned->start();
    REQUIRE(run_until(pair.io, [&] { return returned.up() && other.up(); }));
    run_for(pair.io, milliseconds{150});
    CHECK(returned.told == Told{fmt::format("up {} epoch 2", 1 - killed)});
    REQUIRE(other.told.size() == 3);
    CHECK(other.told[1].starts_with(fmt::format("down {}: the connection was ", killed)));
    CHECK(other.told[2] == fmt::format("up {} epoch 2", killed));
  }
}

TEST_CASE("left out: goodbye with the reason, a pause, and the next epoch") {
  Pair pair([](LinkOptions& o) { o.redial_refused = milliseconds{200}; });
  REQUIRE(pair.both_up());
  const auto before = Clock::now();
  pair[0]->left_out(node_id(1), "round 7 took 3 s longer than allowed");
  REQUIRE(run_until(pair.io, [&] { return pair[0].told.size() == 3 && pair[1].told.size() == 3; }));
  CHECK(Clock::now() - before >= milliseconds{95});
  CHECK(pair[0].told == Told{"up 1 epoch 1",
                             "down 1: it was left out: round 7 took 3 s longer than allowed",
                             "up 1 epoch 2"});
  CHECK(pair[1].told == Told{"up 0 epoch 1",
                             "down 0: n0 went on without this node: round 7 took 3 s longer than "
                             "allowed",
                             "up 0 epoch 2"});
}

TEST_CASE("Links may be destroyed at any moment while the io context goes on") {
  for (int moment = 0; moment < 60; ++moment) {
    Pair pair;
    pair.start();
    for (int i = 0; i < moment; ++i) pair.io.run_one_for(milliseconds{1});
    const std::size_t told = pair[0].told.size();
    pair[0].kill();
    for (int i = 0; i < 20; ++i) pair.io.run_one_for(milliseconds{1});
    CHECK(pair[0].told.size() == told);
  }
}
