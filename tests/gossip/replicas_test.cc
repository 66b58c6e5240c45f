#include "gossip/replicas.h"

#include <doctest/doctest.h>

#include <cstring>
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
    open_.insert(e);
  }
  void close(std::size_t e) {
    hub_.close(e);
    leaves_[e].close(0);
    open_.erase(e);
  }

  // Encodes for `active` edges, of which those in `counted` count at both ends.
  std::size_t exchange(const std::vector<std::size_t>& active, const std::set<std::size_t>& counted,
                       std::uint64_t round) {
    std::size_t made = 0;
    std::vector<SharedBytes> out(active.size());
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
      std::vector<SharedBytes> back(1);
      const std::size_t zero = 0;
      Random(5, Stream::test, {round, e}).fill_normal(x);
      REQUIRE(leaves_[e]
                  .encode(std::span(&zero, 1), back,
                          [&](Replicas::Group& group) { return make(x, group); })
                  .ok());
      std::vector<Arrival> at_leaf;
      if (counted.contains(e)) {
        at_hub.push_back({e, back[0]});
        at_leaf.push_back({0, out[i]});
      }
      leaves_[e].commit(at_leaf, sign_, 0.5f);
    }
    hub_.commit(at_hub, sign_, 0.5f);
    return made;
  }

  bool both_ends_agree() const {
    for (const std::size_t e : open_) {
      if (!same_bits(hub_.ours(e), leaves_[e].theirs(0))) return false;
      if (!same_bits(hub_.theirs(e), leaves_[e].ours(0))) return false;
    }
    return true;
  }

  const std::set<std::size_t>& open_edges() const { return open_; }

 private:
  static std::vector<float> common() {
    std::vector<float> x(kSize);
    Random(5, Stream::test, {98}).fill_normal(x);
    return x;
  }

  compress::Sign sign_;
  Replicas hub_;
  std::vector<Replicas> leaves_;
  std::set<std::size_t> open_;
};

}  // namespace

TEST_CASE("replicas: edges that never missed an exchange share one reference and one message") {
  Star star;
  for (std::uint64_t round = 0; round < 5; ++round) {
    CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, round) == 1);
  }
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 3}, 5) == 1);
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 6) == 2);  // edge 2 has its own from now on
  star.close(2);
  CHECK(star.exchange({0, 1, 3}, {0, 1, 3}, 7) == 1);
  star.open(2);
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 8) == 2);
}

// Acceptance test 2 of the gossip specification, with edges that fail, close and come back in any
// order.
TEST_CASE("replicas: both ends hold the same bits whatever is lost, closed and opened again") {
  const Random random(6, Stream::test);
  Star star;
  for (std::uint64_t round = 0; round < 400; ++round) {
    const std::uint64_t draw = random.bits(round);
    const std::size_t chosen = draw % kEdges;
    if (draw >> 8 & 1 && draw >> 9 & 1) {
      star.open_edges().contains(chosen) ? star.close(chosen) : star.open(chosen);
    }
    std::vector<std::size_t> active;
    std::set<std::size_t> counted;
    for (const std::size_t e : star.open_edges()) {
      if ((draw >> (16 + e) & 7) != 0) active.push_back(e);
      if ((draw >> (32 + e) & 3) != 0) counted.insert(e);
    }
    star.exchange(active, counted, round);
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

TEST_CASE("edge duals: the two ends are exact negatives, and a closed edge takes its own along") {
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
  low.close(0);
  std::vector<float> x(kSize, 0.0f);
  low.subtract_sum(x);
  for (std::size_t i = 0; i < kSize; ++i) CHECK(x[i] == b[i] - a[i]);
}

TEST_CASE("edge duals: they follow the learning rate that is in them") {
  EdgeDuals duals(1, 1);
  duals.open(0);
  duals.follow(0.1);
  duals.add(0, 1, std::vector<float>{2.0f}, std::vector<float>{0.0f});
  duals.follow(0.05);
  CHECK(duals.dual(0)[0] == doctest::Approx(1));
}
