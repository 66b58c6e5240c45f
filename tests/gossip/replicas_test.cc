#include "gossip/replicas.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "compress/identity.h"
#include "compress/sign.h"
#include "gossip/edge_duals.h"
#include "protocol/random.h"

using namespace starling;
using namespace starling::gossip;

namespace {

constexpr std::size_t kSize = 300, kEdges = 4;  // a hub and four others

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

MessageCoder sign_coder() { return {std::make_unique<compress::Sign>(), kSize, 5, node_id(0)}; }

// A hub whose edges lead to nodes of one edge each, all moving about at random.
class Star {
 public:
  explicit Star(std::vector<float> steps = {0.5f}) : hub_(common(), kEdges, steps) {
    for (std::size_t e = 0; e < kEdges; ++e) {
      leaves_.emplace_back(common(), 1, steps);
      open(e);
    }
  }

  void open(std::size_t e) {
    hub_.open(e);
    leaves_[e].open(0);
    up_.insert(e);
    begun_.erase(e);
    torn_.erase(e);
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
    torn_.erase(e);
  }

  // An exchange of the `active` edges, of which those in `counted` count at both ends. `torn`
  // counts at its leaf alone, and its link is down from then on. Returns the bytes that the hub
  // sends for edge 2.
  std::size_t exchange(const std::vector<std::size_t>& active, const std::set<std::size_t>& counted,
                       std::uint64_t round, std::optional<std::size_t> torn = std::nullopt) {
    std::vector<Message> out(active.size());
    encode(hub_, active, out, {round, 99});
    std::vector<Arrival> at_hub;
    std::size_t bytes = 0;
    for (std::size_t e = 0; e < kEdges; ++e) {
      const auto place = std::find(active.begin(), active.end(), e);
      Message back;
      const std::size_t zero = 0;
      const bool is_active = place != active.end();
      encode(leaves_[e], std::span(&zero, is_active), std::span(&back, is_active), {round, e});
      std::vector<Arrival> at_leaf;
      if (is_active) {
        const Message& ours = out[static_cast<std::size_t>(place - active.begin())];
        if (e == 2) bytes = ours.body.size() + ours.start.size();
        if (counted.contains(e) || torn == e) at_leaf.push_back({0, back, ours});
        if (counted.contains(e) && torn != e) at_hub.push_back({e, ours, back});
        if (torn == e) {
          torn_[e] = {e, ours, back};
          hub_.suspend(e, true);
          up_.erase(e);
        }
      }
      commit(leaves_[e], at_leaf);
      if (!at_hub.empty() && at_hub.back().edge == e) begun_.insert(e);
    }
    CHECK(commit(hub_, at_hub));
    return bytes;
  }

  // The hub makes up for what it lost.
  void mend(std::size_t e) {
    const std::span arrival(&torn_.at(e), 1);
    CHECK_FALSE(commit(hub_, arrival));
    begun_.insert(e);
    resume(e);
  }

  bool is_torn(std::size_t e) const { return torn_.contains(e); }

  bool both_ends_agree() const {
    for (const std::size_t e : up_) {
      if (begun_.contains(e) && hub_.hash(e, true) != leaves_[e].hash(0, false)) return false;
    }
    return true;
  }
  // Of edges that were in the newest exchange.
  bool in_step(std::size_t e) const {
    return same_bits(hub_.own().reference.values(), leaves_[e].theirs(0)) &&
           same_bits(hub_.theirs(e), leaves_[e].own().reference.values());
  }

  const std::set<std::size_t>& up() const { return up_; }

 private:
  static std::vector<float> common() {
    std::vector<float> x(kSize);
    Random(5, Stream::test, {98}).fill_normal(x);
    return x;
  }

  void encode(Replicas& node, std::span<const std::size_t> edges, std::span<Message> out,
              std::initializer_list<std::uint64_t> key) {
    std::vector<float> x(kSize);
    Random(5, Stream::test, key).fill_normal(x);
    REQUIRE(node.encode(edges, out, coder_,
                        [&](Replicas::Own& own) {
                          for (std::size_t i = 0; i < kSize; ++i) x[i] -= own.reference.values()[i];
                          return message_of(sign_, x);
                        })
                .ok());
    for (const Message& message : out) {
      if (message.start.size() > 0) REQUIRE(node.check(message, coder_).ok());
    }
  }

  // As a driver and a method do it. Returns whether the reference advanced.
  bool commit(Replicas& node, std::span<const Arrival> arrivals) {
    for (const Arrival& arrival : arrivals) {
      const SharedBytes& start = arrival.theirs.start;
      if (start.size() > 0) node.take_start(arrival.edge, start, sign_);
    }
    const bool advanced = node.commit(arrivals, sign_);
    node.finish(arrivals, sign_);
    return advanced;
  }

  compress::Sign sign_;
  const MessageCoder coder_ = sign_coder();  // of the leaves and the hub alike, for checks
  Replicas hub_;
  std::vector<Replicas> leaves_;
  std::set<std::size_t> up_;
  std::set<std::size_t> begun_;          // each end has told the other where it starts
  std::map<std::size_t, Arrival> torn_;  // as the hub would have had it
};

}  // namespace

// One of d = 300 floats is 1200 bytes, a message of signs some 80.
TEST_CASE("replicas: a neighbor gets the messages that it missed, or the reference if shorter") {
  Star star;
  const std::size_t alone = star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 0);
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 3}, 1) == alone);
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 2) == 4 + (4 + alone) + alone);
  CHECK(star.in_step(2));
  star.suspend(2);
  for (std::uint64_t round = 3; round < 6; ++round) star.exchange({0, 1, 3}, {0, 1, 3}, round);
  star.resume(2);
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 6) == 4 + 3 * (4 + alone) + alone);
  CHECK(star.in_step(2));
  star.suspend(2);
  for (std::uint64_t round = 7; round < 47; ++round) star.exchange({0, 1, 3}, {0, 1, 3}, round);
  star.resume(2);
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 47) == 4 + 4 * kSize + alone);
  CHECK(star.in_step(2));
  star.open(2);
  CHECK(star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 48) == 4 + 4 * kSize + alone);
  CHECK(star.in_step(2));
}

// The leaf counted the message that the hub lost. Others go on meanwhile; the hub makes up for the
// exchange with what it kept.
TEST_CASE("replicas: an exchange that one end lost is made up for many exchanges later") {
  for (const std::vector<float>& steps : {std::vector{0.5f}, std::vector{1.0f, -0.25f}}) {
    Star star(steps);
    star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 0);
    star.exchange({0, 1, 2, 3}, {0, 1, 3}, 1, 2);
    for (std::uint64_t round = 2; round < 20; ++round) star.exchange({0, 1, 3}, {0, 3}, round);
    star.mend(2);
    CHECK(star.both_ends_agree());
    star.exchange({0, 1, 2, 3}, {0, 1, 2, 3}, 20);
    CHECK(star.both_ends_agree());
    CHECK(star.in_step(2));
  }
}

// Acceptance test 2 of the gossip specification, with edges that fail, tear, rest, go on and begin
// anew in any order.
TEST_CASE("replicas: both ends hold the same bits whatever is lost, torn and opened again") {
  const Random random(6, Stream::test);
  Star star({1.0f, -0.25f});
  for (std::uint64_t round = 0; round < 2000; ++round) {
    const std::uint64_t draw = random.bits(round);
    const std::size_t chosen = draw % kEdges;
    const bool up = star.up().contains(chosen);
    const std::uint64_t what = draw >> 8 & 7;
    if (what == 0 && up) star.suspend(chosen);
    if (what == 1) star.open(chosen);
    if ((what == 2 || what == 3) && !up) {
      star.is_torn(chosen) ? star.mend(chosen) : star.resume(chosen);
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
    for (const std::size_t e : active) {
      if (counted.contains(e) && torn != e) REQUIRE(star.in_step(e));
    }
  }
}

TEST_CASE("replicas: a start that no neighbor can have sent is refused") {
  const std::vector<float> common(kSize, 0.0f);
  const Replicas replicas(common, 1, {1});
  const MessageCoder coder = sign_coder();
  const auto refusal_of_bytes = [&](std::span<const std::byte> bytes) {
    ByteBlock block(bytes.size());
    std::ranges::copy(bytes, block.bytes().begin());
    return replicas.check_start(SharedBytes(std::move(block)), coder).error().message;
  };
  const auto refusal = [&](const std::vector<std::uint32_t>& words) {
    return refusal_of_bytes(std::as_bytes(std::span(words)));
  };
  CHECK(refusal({}) == "a start of 0 bytes, expected 4 to 1204");
  CHECK(refusal(std::vector<std::uint32_t>(302, 0)) == "a start of 1208 bytes, expected 4 to 1204");
  CHECK(refusal({0, 0}) == "body has 4 bytes, expected 1200 (300 floats)");
  CHECK(refusal({2, 4}) == "length of missed message 0: found 4, expected at most 0");
  CHECK(refusal({1}) == "length of missed message 0: found 0 bytes, expected 4");
  CHECK(refusal({1, 0xffffffff, 0}) ==
        "length of missed message 0: found 4294967295, expected at most 4");
  // Fewer bytes than a length has: what is behind it is not as long as can be.
  const std::vector<std::uint32_t> words{1, 0};
  for (std::size_t left = 0; left < 4; ++left) {
    CHECK(refusal_of_bytes(std::as_bytes(std::span(words)).first(4 + left)) ==
          fmt::format("length of missed message 0: found {} bytes, expected 4", left));
  }
  std::vector<std::uint32_t> infinite(301, 0);
  infinite[5] = 0x7f800000;
  CHECK(refusal(infinite) == "body holds inf at index 4, expected finite values");
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
TEST_CASE(
    "replicas: of a large model the edges that broke first are forgotten, of a small one none") {
  const auto forgotten = [](std::size_t size) {
    const Common zeros(size, [](std::span<float> x) { std::ranges::fill(x, 0.0f); });
    Replicas node(zeros, 3, {1});
    compress::Sign sign;
    const std::vector<float> ones(size, 1.0f);
    for (std::size_t e = 0; e < 3; ++e) node.open(e);
    std::vector<std::size_t> all;
    // Edge 2 breaks in the first exchange, then edge 0: neither knows whether its message counted.
    for (const std::size_t broken : {2, 0}) {
      std::vector<std::size_t> edges{0, 1, 2};
      if (broken == 0) edges.pop_back();
      std::vector<Message> out(edges.size());
      REQUIRE(node.encode(edges, out, sign_coder(),
                          [&](Replicas::Own&) { return message_of(sign, ones); })
                  .ok());
      node.suspend(broken, true);
      const Arrival arrival{1, out[0], out[0]};
      node.commit(std::span(&arrival, 1), sign);
      const std::vector<std::size_t> down{0, 2};
      const auto more = node.relieve(std::span(down).subspan(broken == 2 ? 1 : 0));
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  };
  CHECK(forgotten(1000).empty());
  CHECK(Replicas::kept_max(17 << 20) == 1);
  CHECK(forgotten((17 << 20) / sizeof(float)) == std::vector<std::size_t>{2});
}

TEST_CASE("replicas: a reference that is told in whole is in memory once until it advances") {
  const std::vector<float> ones(1000, 1.0f);
  Replicas node(std::vector<float>(ones.size()), 1, {1});
  compress::Sign sign;
  node.begin_at(ones);  // which no neighbor knows
  node.open(0);
  const std::size_t edge = 0;
  Message out;
  REQUIRE(node.encode(std::span(&edge, 1), std::span(&out, 1), sign_coder(),
                      [&](Replicas::Own&) { return message_of(sign, ones); })
              .ok());
  const std::size_t bytes = ones.size() * sizeof(float);
  const SharedBytes told = out.start.slice(out.start.size() - bytes, bytes);
  CHECK(node.own().reference.values().data() == told.floats().data());
  node.commit({}, sign);
  CHECK(same_bits(told.floats(), ones));
  CHECK_FALSE(same_bits(node.own().reference.values(), ones));
}

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
