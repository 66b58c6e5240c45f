#include "gossip/replicas.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "compress/identity.h"
#include "compress/sign.h"
#include "protocol/random.h"

using namespace starling;
using namespace starling::gossip;

namespace {

constexpr std::size_t kSize = 17, kEdges = 4;  // a hub and four others

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

Result<SharedBytes> message_of(compress::Compressor& c, std::span<const float> x) {
  std::vector<std::byte> out(c.encoded_bytes_max(x.size()));
  const auto used = c.encode(x, 0, out);
  if (!used) return used.error();
  ByteBlock block(*used);
  std::copy_n(out.begin(), *used, block.bytes().begin());
  return SharedBytes(std::move(block));
}

// A hub whose edges lead to nodes of one edge each, all moving about at random.
class Star {
 public:
  Star() : hub_(common(), kEdges), leaves_(kEdges, Replicas(common(), 1)) {
    for (std::size_t e = 0; e < kEdges; ++e) open(e);
  }

  void open(std::size_t e) {
    hub_.open(e);
    leaves_[e].open(0);
    up_.insert(e);
    begun_.erase(e);
  }
  void suspend(std::size_t e) {
    hub_.suspend(e, false);
    leaves_[e].suspend(0, false);
    up_.erase(e);
  }
  void resume(std::size_t e) {
    hub_.resume(e);
    leaves_[e].resume(0);
    up_.insert(e);
  }

  // Encodes for `active` edges, of which those in `counted` count at both ends. `torn` counts at
  // its leaf alone, and its link is down from then on.
  std::size_t exchange(const std::vector<std::size_t>& active, const std::set<std::size_t>& counted,
                       std::uint64_t round, std::optional<std::size_t> torn = std::nullopt) {
    std::size_t made = 0;
    std::vector<Message> out(active.size());
    std::vector<float> x(kSize), difference(kSize);
    Random(5, Stream::test, {round, 99}).fill_normal(x);
    const auto make = [&](std::span<const float> from, Replicas::Group& group) {
      for (std::size_t i = 0; i < kSize; ++i) difference[i] = from[i] - group.reference[i];
      return message_of(sign_, difference);
    };
    REQUIRE(hub_.encode(active, out,
                        [&](Replicas::Group& group) {
                          ++made;
                          return make(x, group);
                        })
                .ok());
    std::vector<Arrival> at_hub;
    for (std::size_t i = 0; i < active.size(); ++i) {
      const std::size_t e = active[i];
      Message back;
      const std::size_t zero = 0;
      Random(5, Stream::test, {round, e}).fill_normal(x);
      REQUIRE(leaves_[e]
                  .encode(std::span(&zero, 1), std::span(&back, 1),
                          [&](Replicas::Group& group) { return make(x, group); })
                  .ok());
      std::vector<Arrival> at_leaf;
      if (counted.contains(e) || torn == e) at_leaf.push_back({0, back, out[i]});
      if (counted.contains(e) && torn != e) at_hub.push_back({e, out[i], back});
      leaves_[e].commit(at_leaf, sign_, 0.5f);
      if (!at_hub.empty() && at_hub.back().edge == e) begun_.insert(e);
      if (torn == e) {
        torn_[e] = {e, out[i], back};
        hub_.suspend(e, true);
        leaves_[e].suspend(0, false);
        up_.erase(e);
      }
    }
    hub_.commit(at_hub, sign_, 0.5f);
    return made;
  }

  // The hub makes up for what it lost.
  void mend(std::size_t e) {
    hub_.commit(std::span(&torn_.at(e), 1), sign_, 0.5f);
    torn_.erase(e);
    begun_.insert(e);
    resume(e);
  }

  bool is_torn(std::size_t e) const { return torn_.contains(e); }
  bool both_ends_agree() const {
    for (const std::size_t e : up_) {
      if (!begun_.contains(e)) continue;
      if (!same_bits(hub_.ours(e), leaves_[e].theirs(0))) return false;
      if (!same_bits(hub_.theirs(e), leaves_[e].ours(0))) return false;
      if (hub_.hash(e, true) != leaves_[e].hash(0, false)) return false;
    }
    return true;
  }

  const std::set<std::size_t>& up() const { return up_; }

 private:
  static std::vector<float> common() {
    std::vector<float> x(kSize);
    Random(5, Stream::test, {98}).fill_normal(x);
    return x;
  }

  compress::Sign sign_;
  Replicas hub_;
  std::vector<Replicas> leaves_;
  std::set<std::size_t> up_;
  std::set<std::size_t> begun_;          // each end has told the other where it starts
  std::map<std::size_t, Arrival> torn_;  // as the hub would have had it
};

}  // namespace

TEST_CASE("replicas: edges that never missed an exchange share one reference and one message") {
  Star star;
  for (std::uint64_t round = 0; round < 5; ++round) {
    CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, round) == 1);
  }
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 3}, 5) == 1);
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 6) == 2);  // edge 2 has its own from now on
  star.suspend(2);
  CHECK(star.exchange({0, 1, 3}, {0, 1, 3}, 7) == 1);
  star.resume(2);
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 8) == 2);
  star.open(2);  // anew, at the reference of the others
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 9) == 1);
}

// The leaf counted the message that the hub lost. Others go on meanwhile, share the hub's reference
// and leave it; the hub makes up for the exchange with the message it has kept.
TEST_CASE("replicas: an exchange that one end lost is made up for many exchanges later") {
  Star star;
  star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 0);
  star.exchange({0, 1, 2, 3}, {0, 1, 3}, 1, 2);
  for (std::uint64_t round = 2; round < 20; ++round) star.exchange({0, 1, 3}, {0, 3}, round);
  star.mend(2);
  CHECK(star.both_ends_agree());
  star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 20);
  CHECK(star.both_ends_agree());
}

// Acceptance test 2 of the gossip specification, with edges that fail, tear, rest, go on and begin
// anew in any order.
TEST_CASE("replicas: both ends hold the same bits whatever is lost, torn and opened again") {
  const Random random(6, Stream::test);
  Star star;
  for (std::uint64_t round = 0; round < 2000; ++round) {
    const std::uint64_t draw = random.bits(round);
    const std::size_t chosen = draw % kEdges;
    const bool up = star.up().contains(chosen);
    switch (draw >> 8 & 7) {
      case 0:
        if (up) star.suspend(chosen);
        break;
      case 1:
        if (!star.is_torn(chosen)) star.open(chosen);
        break;
      case 2:
      case 3:
        if (star.is_torn(chosen))
          star.mend(chosen);
        else if (!up)
          star.resume(chosen);
        break;
      default: break;
    }
    std::vector<std::size_t> active;
    std::set<std::size_t> counted;
    for (const std::size_t e : star.up()) {
      if ((draw >> (16 + e) & 7) != 0) active.push_back(e);
      if ((draw >> (32 + e) & 3) != 0) counted.insert(e);
    }
    std::optional<std::size_t> torn;
    if ((draw >> 48 & 7) == 0 && !active.empty()) torn = active[(draw >> 52) % active.size()];
    star.exchange(active, counted, round, torn);
    REQUIRE(star.both_ends_agree());
  }
}

TEST_CASE("replicas: what the node itself has told advances also when nobody received it") {
  Replicas alone(std::vector<float>(kSize, 0.0f), 0, true);
  compress::Identity identity;
  std::vector<float> x(kSize, 1.5f);
  REQUIRE(alone.encode({}, {}, [&](Replicas::Group&) { return message_of(identity, x); }).ok());
  alone.commit({}, identity, 1);
  CHECK(alone.self().reference == x);
}

TEST_CASE(
    "edge duals: the two ends are exact negatives, and a suspended edge takes its own along") {
  EdgeDuals low(kSize, 2), high(kSize, 1);
  for (std::size_t e = 0; e < 2; ++e) low.open(e);
  high.open(0);
  std::vector<float> a(kSize), b(kSize);
  for (std::uint64_t round = 0; round < 100; ++round) {
    Random(7, Stream::test, {round, 0}).fill_normal(a);
    Random(7, Stream::test, {round, 1}).fill_normal(b);
    low.add(0, 0.1f, a, b);
    high.add(0, 0.1f, b, a);
  }
  for (std::size_t i = 0; i < kSize; ++i) REQUIRE(low.dual(0)[i] == -high.dual(0)[i]);
  low.add(1, 1, a, b);
  low.suspend(0);
  std::vector<float> x(kSize, 0.0f);
  low.subtract_sum(x);
  for (std::size_t i = 0; i < kSize; ++i) CHECK(x[i] == b[i] - a[i]);
  low.resume(0);
  std::ranges::fill(x, 0.0f);
  low.subtract_sum(x);
  for (std::size_t i = 0; i < kSize; ++i) CHECK(x[i] == -low.dual(0)[i] + (b[i] - a[i]));
}

// What a method adds stands in units of the update; a lower rate makes it act less.
TEST_CASE("edge duals: they act in proportion to the learning rate") {
  EdgeDuals duals(1, 1);
  duals.open(0);
  duals.follow(0.1);
  duals.add(0, 1, std::vector<float>{2.0f}, std::vector<float>{0.0f});
  const auto acting = [&] {
    std::vector<float> x{0.0f};
    duals.subtract_sum(x);
    return x[0];
  };
  CHECK(acting() == doctest::Approx(-2));
  duals.follow(0.05);
  CHECK(acting() == doctest::Approx(-1));
}

// The rates of the two ends may have moved on by different rounds when an exchange is made up for.
TEST_CASE("edge duals: what is made up for is added at the rate of the suspension") {
  EdgeDuals one(1, 1), other(1, 1);
  const std::vector<float> a{2.0f}, b{0.5f};
  for (EdgeDuals* duals : {&one, &other}) {
    duals->open(0);
    duals->follow(0.1);
  }
  one.add(0, 1, a, b);
  other.suspend(0);
  other.follow(0.003);
  other.add(0, 1, b, a);
  CHECK(one.dual(0)[0] == -other.dual(0)[0]);
}
