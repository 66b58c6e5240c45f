#include "gossip/ledger.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "protocol/random.h"

using namespace starling;
using namespace starling::gossip;

namespace {

Message message(std::uint64_t value) {
  ByteBlock block(sizeof value);
  std::memcpy(block.bytes().data(), &value, sizeof value);
  return {SharedBytes(std::move(block))};
}

// The two ends of one edge.
struct Pair {
  EdgeLedger low{{node_id(0), node_id(1), {0.5}}}, high{{node_id(1), node_id(0), {0.5}}};

  void open(Epoch history) {
    low.open(history);
    high.open(history);
  }
  void send(Round round) {
    low.sent({round, 0}, message(2 * round));
    high.sent({round, 0}, message(2 * round + 1));
  }
  void exchange(Round round) {
    send(round);
    low.count(message(2 * round + 1));
    high.count(message(2 * round));
  }
  Verdict of_low() const { return verdict(low.settlement(0), high.settlement(0)); }
  Verdict of_high() const { return verdict(high.settlement(0), low.settlement(0)); }
};

}  // namespace

TEST_CASE("ledger: ends that counted the same go on") {
  Pair pair;
  pair.open(1);
  CHECK(pair.of_low() == Verdict::go_on);
  for (Round round = 0; round < 3; ++round) pair.exchange(round);
  CHECK(pair.low.chain() == pair.high.chain());
  CHECK(pair.of_low() == Verdict::go_on);
  CHECK(pair.of_high() == Verdict::go_on);
  pair.low.sent({3, 0}, message(6));  // only one end had begun it
  CHECK(pair.of_low() == Verdict::go_on);
  CHECK(pair.of_high() == Verdict::go_on);
}

TEST_CASE("ledger: an exchange of which both messages were lost is repeated") {
  Pair pair;
  pair.open(1);
  pair.exchange(0);
  pair.send(1);
  CHECK(pair.of_low() == Verdict::repeat);
  CHECK(pair.of_high() == Verdict::repeat);
}

TEST_CASE("ledger: the end that lacks the last exchange gets it once more") {
  Pair pair;
  pair.open(1);
  pair.exchange(0);
  pair.send(1);
  pair.low.count(message(3));
  CHECK(pair.of_low() == Verdict::replay);
  CHECK(pair.of_high() == Verdict::await);
  REQUIRE(pair.low.last());
  CHECK(pair.low.last()->exchange == Exchange{1, 0});
  CHECK(pair.low.last()->base == pair.high.chain());
  pair.low.sent({2, 0}, message(9));  // it went on alone
  CHECK(pair.of_low() == Verdict::replay);
  CHECK(pair.of_high() == Verdict::await);
  pair.low.drop();
  pair.high.count(pair.low.last()->message);
  CHECK(pair.of_low() == Verdict::go_on);
}

TEST_CASE("ledger: a message is kept until the neighbor has built on it") {
  Pair pair;
  pair.open(1);
  pair.exchange(0);
  REQUIRE(pair.low.last());
  pair.high.sent({1, 0}, message(3));
  pair.low.acknowledge(pair.high.pending()->base);
  CHECK_FALSE(pair.low.last());
}

TEST_CASE("ledger: an end that lost its memory, or remembers another life, starts anew") {
  Pair pair;
  pair.open(1);
  for (Round round = 0; round < 3; ++round) pair.exchange(round);
  const Pair before = pair;
  SUBCASE("nothing known") { pair.high = EdgeLedger({node_id(1), node_id(0), 0.5}); }
  SUBCASE("an old checkpoint") {
    for (Round round = 3; round < 5; ++round) pair.exchange(round);
    pair.high = before.high;
  }
  SUBCASE("a checkpoint of one exchange ago, whose message is not kept there") {
    pair.exchange(3);
    pair.high = before.high;
  }
  SUBCASE("a checkpoint that lacks an exchange which has been acknowledged since") {
    pair.send(3);
    const EdgeLedger old = pair.high;
    pair.low.count(message(7));
    pair.high.count(message(6));
    pair.high.sent({4, 0}, message(9));
    pair.low.acknowledge(pair.high.pending()->base);
    pair.high = old;
  }
  SUBCASE("another history of the same length") {
    pair.high.open(1);
    for (Round round = 10; round < 13; ++round) {
      pair.high.sent({round, 0}, message(round));
      pair.high.count(message(round));
    }
  }
  SUBCASE("a later history") { pair.high.open(2); }
  CHECK(pair.of_low() == Verdict::reopen);
  CHECK(pair.of_high() == Verdict::reopen);
}

TEST_CASE("ledger: replicas that are not alike start anew") {
  Pair pair;
  pair.open(1);
  pair.exchange(0);
  CHECK(verdict(pair.low.settlement(7), pair.high.settlement(8)) == Verdict::reopen);
}

// Whatever two ends say, what one concludes fits what the other concludes.
TEST_CASE("ledger: both ends always conclude the same") {
  const Random random(1, Stream::test);
  const auto any = [&](std::uint64_t i) {
    const std::uint64_t draw = random.bits(i);
    Settlement s{.history = static_cast<Epoch>(draw % 3),
                 .count = draw >> 2 & 3,
                 .chain = draw >> 4 & 1,
                 .before = draw >> 5 & 1,
                 .last_kept = (draw >> 13 & 1) != 0,
                 .state = (draw >> 6 & 7) == 0};
    if (draw >> 9 & 1) s.last = {draw >> 10 & 1, 0};
    if (draw >> 11 & 1) s.pending = {draw >> 12 & 1, 0};
    return s;
  };
  int replays = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const Settlement a = any(2 * i), b = any(2 * i + 1);
    const Verdict ours = verdict(a, b), theirs = verdict(b, a);
    replays += ours == Verdict::replay;
    if (ours == Verdict::replay) {
      REQUIRE(theirs == Verdict::await);
    } else if (ours == Verdict::await) {
      REQUIRE(theirs == Verdict::replay);
    } else {
      REQUIRE(theirs == ours);
    }
  }
  CHECK(replays > 10);
}

TEST_CASE("ledger: a settlement comes back as it was sent, and a broken one not at all") {
  const Settlement s{.history = 3,
                     .count = 5,
                     .chain = 0x123456789abcdef0,
                     .before = 17,
                     .last = Exchange{1ULL << 40, 2},
                     .pending = Exchange{7, 1},
                     .terms = 0xabc,
                     .last_kept = true,
                     .state = ~0ULL};
  SettlementMessage message{s};
  for (std::size_t i = 0; i < message.model.size(); ++i) message.model[i] = 0.5f * float(i);
  const SharedBytes bytes = encode(message);
  CHECK(*decode_settlement(bytes.bytes()) == message);
  CHECK(*decode_settlement(encode(SettlementMessage{}).bytes()) == SettlementMessage{});
  CHECK(decode_settlement(bytes.bytes().first(63)).error().message ==
        "a settlement of 63 bytes, expected 1096");
  std::vector<std::byte> wrong(bytes.bytes().begin(), bytes.bytes().end());
  wrong[4] = std::byte{15};
  CHECK(decode_settlement(wrong).error().message ==
        "settlement flags are 0xf, expected at most 0x7");
  message.model[3] = INFINITY;
  CHECK(decode_settlement(encode(message).bytes()).error().message ==
        "a settlement's sketch holds inf at index 3, expected a finite number");
}

// The weight changed in between: two messages of the same exchange, but not of the same step.
TEST_CASE("ledger: an exchange that was begun under two graphs counts at neither end") {
  Pair pair;
  pair.open(1);
  pair.exchange(0);
  Pair after;
  after.high = EdgeLedger({node_id(1), node_id(0), {0.25}});
  after.open(1);
  after.exchange(0);
  pair.low.sent({1, 0}, message(2));
  after.high.sent({1, 0}, message(3));
  const Settlement low = pair.low.settlement(0), high = after.high.settlement(0);
  REQUIRE(low.chain == high.chain);
  CHECK(verdict(low, high) == Verdict::go_on);
  CHECK(verdict(high, low) == Verdict::go_on);
  CHECK(pair.low.pending()->terms == EdgeTerms{.weight = 0.5});
}
