#include "peer/pace.h"

#include <doctest/doctest.h>

#include <deque>

#include "support.h"

using namespace starling;
using namespace starling::peer;
using namespace starling::peer::test;

namespace {

double in_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

const Clock::time_point kBegin{std::chrono::hours{1}};

// Two nodes of which one has changed options, and a body on its way between them.
struct Pair {
  Pair(bool tls, std::size_t changed, const std::function<void(LinkOptions&)>& change)
      : flock(2, tls) {
    for (std::size_t i : {0, 1}) {
      auto options = flock.options(i);
      if (i == changed) change(options);
      nodes.push_back(std::make_unique<Node>(io, options));
      REQUIRE((*nodes[i])->listen().ok());
      (*nodes[i])->start();
    }
    REQUIRE(run_until(io, [&] { return nodes[0]->up() && nodes[1]->up(); }));
  }

  // How long node 0's body takes to node 1.
  Duration carry(std::size_t bytes) {
    const auto begun = Clock::now();
    (*nodes[0])->send(node_id(1), {.epoch = 1}, bytes_of(bytes, 1));
    REQUIRE(run_until(io, [&] { return nodes[1]->frames.size() == 1; }));
    CHECK(nodes[1]->frames[0].body.size() == bytes);
    return Clock::now() - begun;
  }

  asio::io_context io;
  Flock flock;
  std::vector<std::unique_ptr<Node>> nodes;
};

}  // namespace

TEST_CASE("pace: over any time it lets go what its rate allows and a burst, no less and no more") {
  for (const double rate : {8e3, 1.25e6, 1.25e9}) {
    CAPTURE(rate);
    Pace pace(rate);
    auto now = kBegin;
    double booked = 0;
    while (now < kBegin + std::chrono::seconds{10}) {
      const std::size_t bytes = pace.piece();
      now = std::max(now, pace.book(bytes, now));
      booked += static_cast<double>(bytes);
    }
    const double expected = rate * (in_seconds(now - kBegin) + in_seconds(Pace::kBurst));
    CHECK(booked <= expected + static_cast<double>(pace.piece()));
    CHECK(booked >= expected - static_cast<double>(pace.piece()));
  }
}

TEST_CASE("pace: what was not used for long makes a burst, and no more") {
  Pace pace(1e6);
  (void)pace.book(1000, kBegin);
  const auto later = kBegin + std::chrono::hours{1};
  double at_once = 0;
  while (pace.book(1000, later) <= later) at_once += 1000;
  CHECK(at_once == 21'000);  // 20 ms of it, and the piece that begins when they are over
}

TEST_CASE("pace: those who share one go in the order in which they have booked") {
  Pace pace(1e6);
  Clock::time_point last{};
  for (int i = 0; i < 100; ++i) {
    const auto begin = pace.book(10'000, kBegin);
    CHECK(begin > last);
    last = begin;
  }
}

TEST_CASE("pace: bytes that did not go after all are free for the next, and more are owed") {
  Pace pace(1e6), plain(1e6);
  (void)pace.book(50'000, kBegin);
  pace.correct(30'000);
  (void)plain.book(20'000, kBegin);
  CHECK(pace.book(1, kBegin) == plain.book(1, kBegin));
  pace.correct(-10'000);
  CHECK(pace.book(1, kBegin) == plain.book(1, kBegin) + std::chrono::milliseconds{10});
}

TEST_CASE("pace: that becomes another owes it the bytes that were booked") {
  Pace pace(1e6), plain(2e6);
  (void)pace.book(100'000, kBegin);
  pace.become(Pace(2e6), kBegin);
  (void)plain.book(100'000, kBegin);
  CHECK(pace.book(1, kBegin) == plain.book(1, kBegin));
  pace.become(Pace(0), kBegin);
  CHECK_FALSE(pace.limits());
  pace.become(Pace(1e6), kBegin);
  CHECK(pace.book(1, kBegin) <= kBegin);  // nothing limited it until now
}

TEST_CASE("pace of a day: that becomes another lets no second burst go") {
  constexpr std::uint64_t kDay = 2'400'000'000;
  Pace pace = Pace::of_day(kDay);
  while (pace.book(pace.piece(), kBegin) <= kBegin) {
  }
  pace.become(Pace::of_day(2 * kDay), kBegin);
  std::uint64_t at_once = 0;
  while (pace.book(pace.piece(), kBegin) <= kBegin) at_once += pace.piece();
  CHECK(at_once == doctest::Approx(kDay / 24.0).epsilon(0.001));
}

TEST_CASE("pace of a day: goes on from what another process has used, and from when") {
  constexpr std::uint64_t kDay = 2'400'000'000;
  Pace pace = Pace::of_day(kDay);
  CHECK(pace.burst_bytes() == doctest::Approx(kDay / 24.0));
  CHECK(pace.booked_bytes(kBegin) == 0);
  pace.set_booked(pace.burst_bytes(), kBegin - std::chrono::minutes{30});
  CHECK(pace.booked_bytes(kBegin) ==
        doctest::Approx(kDay / 24.0 - 23.0 / 24 * kDay / 48).epsilon(1e-6));
}

TEST_CASE("a link that waits for its turn goes on at once where a limit is lifted") {
  for (const bool all : {true, false}) {
    const RateLimits slow{.send = 1000};
    Pair pair(false, 0, [&](LinkOptions& o) { (all ? o.rates : o.neighbor_rates) = slow; });
    (*pair.nodes[0])->send(node_id(1), {.epoch = 1}, bytes_of(300'000, 1));
    run_for(pair.io, milliseconds{50});
    CHECK(pair.nodes[1]->frames.empty());
    (*pair.nodes[0])->limit({}, {});
    REQUIRE(run_until(pair.io, [&] { return pair.nodes[1]->frames.size() == 1; }));
    // And one that is set holds on a link that had none.
    constexpr double kRate = 1e6;
    (*pair.nodes[0])->limit({.send = kRate}, {});
    const auto begun = Clock::now();
    (*pair.nodes[0])->send(node_id(1), {.epoch = 1}, bytes_of(300'000, 1));
    REQUIRE(run_until(pair.io, [&] { return pair.nodes[1]->frames.size() == 2; }));
    CHECK(in_seconds(Clock::now() - begun) >= 0.3 - 2.5 * in_seconds(Pace::kBurst));
  }
}

TEST_CASE("a body goes no faster than the limits of its sender and its receiver allow") {
  constexpr std::size_t kBytes = 300'000;
  constexpr double kRate = 1e6;
  const auto of_all = [](RateLimits rates) { return [rates](LinkOptions& o) { o.rates = rates; }; };
  const auto of_each = [](RateLimits rates) {
    return [rates](LinkOptions& o) { o.neighbor_rates = rates; };
  };
  struct Case {
    std::size_t changed;
    std::function<void(LinkOptions&)> change;
  };
  const Case cases[] = {{0, of_all({.send = kRate})},
                        {0, of_each({.send = kRate})},
                        {1, of_all({.receive = kRate})},
                        {1, of_each({.receive = kRate})}};
  for (const bool tls : {false, true}) {
    for (const Case& one : cases) {
      CAPTURE(tls);
      CAPTURE(one.changed);
      Pair pair(tls, one.changed, one.change);
      // A burst begins at once, and a piece more may be on its way.
      CHECK(in_seconds(pair.carry(kBytes)) >= kBytes / kRate - 2.5 * in_seconds(Pace::kBurst));
    }
  }
}

TEST_CASE("a link that is slower than its heartbeats stays up while a body crawls over it") {
  Pair pair(false, 0, [](LinkOptions& o) { o.rates.send = 4e5; });
  CHECK(in_seconds(pair.carry(400'000)) >= 0.9);
  CHECK(pair.nodes[1]->told == std::vector<std::string>{"up 0 epoch 1"});
}

TEST_CASE("links that share a limit each get their part, and a close wakes one that waits") {
  asio::io_context io;
  Flock flock(3);
  std::vector<std::unique_ptr<Node>> nodes;
  for (std::size_t i : {0, 1, 2}) {
    auto options = flock.options(i);
    if (i == 0) options.rates.send = 1e6;
    std::erase_if(options.neighbors,
                  [i](const Neighbor& n) { return i != 0 && n.id != node_id(0); });
    nodes.push_back(std::make_unique<Node>(io, options));
    REQUIRE((*nodes[i])->listen().ok());
    (*nodes[i])->start();
  }
  REQUIRE(run_until(io, [&] { return nodes[0]->up(0) && nodes[0]->up(1); }));
  for (const std::uint32_t to : {1u, 2u}) {
    (*nodes[0])->send(node_id(to), {.epoch = 1}, bytes_of(200'000, 1));
  }
  const auto arrived = [&](std::size_t i) { return nodes[i]->frames.size() == 1; };
  REQUIRE(run_until(io, [&] { return arrived(1) || arrived(2); }));
  // The other one is not far behind: it had every second piece.
  const std::size_t behind = arrived(1) ? 1 : 0;
  CHECK(nodes[0]->status(behind).sent_bytes > 100'000);
  (*nodes[0])->send(node_id(1), {.epoch = 1}, bytes_of(900'000, 1));
  run_for(io, milliseconds{50});
  const auto begun = Clock::now();
  bool closed = false;
  (*nodes[0])->stop(Farewell::finished, milliseconds{200}, [&] { closed = true; });
  REQUIRE(run_until(io, [&] { return closed; }));
  CHECK(Clock::now() - begun < std::chrono::seconds{5});
}

TEST_CASE("pace of a day: in any 24 hours no more than the day's bytes, and nearly all of them") {
  constexpr std::uint64_t kDay = 2'000'000'000;
  Pace pace = Pace::of_day(kDay);
  REQUIRE(pace.limits());
  std::deque<std::pair<Clock::time_point, std::size_t>> gone;  // of the last 24 hours
  std::uint64_t within = 0, most = 0;
  auto now = kBegin;
  const auto idle = std::chrono::hours{30};
  bool rested = false;
  while (now < kBegin + std::chrono::hours{96}) {
    const std::size_t bytes = pace.piece();
    now = std::max(now, pace.book(bytes, now));
    gone.emplace_back(now, bytes);
    within += bytes;
    for (; gone.front().first <= now - std::chrono::hours{24}; gone.pop_front()) {
      within -= gone.front().second;
    }
    most = std::max(most, within);
    if (!rested && now > kBegin + std::chrono::hours{40}) {  // and then all that it may at once
      now += idle;
      rested = true;
    }
  }
  CHECK(most <= kDay + pace.piece());
  CHECK(most > kDay - kDay / 1000);
}

TEST_CASE("pace of a day: a twenty-fourth may go at once, then as evenly as time goes by") {
  constexpr std::uint64_t kDay = 2'400'000'000;
  Pace pace = Pace::of_day(kDay);
  std::uint64_t at_once = 0;
  auto now = kBegin;
  while (pace.book(pace.piece(), kBegin) <= kBegin) at_once += pace.piece();
  CHECK(at_once == doctest::Approx(kDay / 24.0).epsilon(0.001));
  std::uint64_t later = 0;
  while (now < kBegin + std::chrono::hours{1}) {
    now = std::max(now, pace.book(pace.piece(), now));
    later += pace.piece();
  }
  CHECK(later == doctest::Approx(23.0 / 24 * kDay / 24).epsilon(0.001));
  CHECK_FALSE(Pace::of_day(0).limits());
}

TEST_CASE("pace of a day: what is sent and what is taken come from the same bytes") {
  const auto limit = [](LinkOptions& options) { options.neighbor_rates.per_day = 24 * 1'000'000; };
  Pair pair(false, 0, limit);
  // At once: a million bytes both ways together.
  CHECK(pair.carry(400'000) < std::chrono::seconds{5});
  (*pair.nodes[1])->send(node_id(0), {.epoch = 1}, bytes_of(400'000, 1));
  REQUIRE(run_until(pair.io, [&] { return pair.nodes[0]->frames.size() == 1; }));
  (*pair.nodes[0])->send(node_id(1), {.epoch = 1}, bytes_of(400'000, 1));
  CHECK_FALSE(run_until(
      pair.io, [&] { return pair.nodes[1]->frames.size() == 2; }, std::chrono::seconds{1}));
}
