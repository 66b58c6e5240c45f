// What is finite and yet beyond all measure (reliability specification, B.1 row 8).
#include "gossip/norm_gate.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace starling::gossip;

namespace {

// Of a node whose model has that norm; d = 4.
std::optional<std::string> judged(NormGate& gate, double norm, double own = 0) {
  return gate.judge(norm, 4, [own] { return own; });
}

}  // namespace

TEST_CASE("norm gate: the first messages are held against this node's model and the root of d") {
  NormGate gate;
  for (std::size_t i = 1; i < NormGate::kWindow; ++i) {
    CHECK_FALSE(judged(gate, 200));
    CHECK(judged(gate, 201));
  }
  CHECK_FALSE(judged(gate, 200));
  CHECK_FALSE(judged(gate, 201));  // now it is known what is usual
  NormGate fresh;
  CHECK_FALSE(judged(fresh, 900, 9));
  CHECK(judged(fresh, 901, 9) ==
        "its norm is 901, expected at most 900 (100 times the largest of 0, what it usually sends, "
        "9, this node's model, and 2, the root of d)");
}

TEST_CASE(
    "norm gate: what is no number, or beyond what can be squared, is kept out whatever came") {
  NormGate gate;
  for (const double wrong : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    CHECK(judged(gate, wrong, 1));
    CHECK(judged(gate, wrong, std::numeric_limits<double>::infinity()));
  }
  for (double norm = 100; norm < NormGate::kCeiling; norm *= 50) {
    for (std::size_t i = 0; i < NormGate::kWindow; ++i) REQUIRE_FALSE(judged(gate, norm));
  }
  CHECK(judged(gate, 1.01 * NormGate::kCeiling));
  CHECK(judged(gate, 1.01 * NormGate::kCeiling, 1e30));
}

TEST_CASE("norm gate: the median is of the newest 50 that were let in, and one moves nothing") {
  NormGate gate;
  for (int i = 0; i < 49; ++i) judged(gate, 10);
  CHECK(gate.median() == 0);
  judged(gate, 10);
  CHECK(gate.median() == 10);
  CHECK_FALSE(judged(gate, 1000));
  CHECK(gate.median() == 10);
  CHECK(judged(gate, 1001));
  for (int i = 0; i < 25; ++i) CHECK_FALSE(judged(gate, 100));
  CHECK(gate.median() == 100);
  CHECK_FALSE(judged(gate, 10'000));
  for (int i = 0; i < 50; ++i) judged(gate, 1);
  CHECK(gate.median() == 1);
  CHECK(judged(gate, 10'000));
}

TEST_CASE("norm gate: messages that hold nothing do not lower what others may") {
  NormGate gate;
  for (int i = 0; i < 50; ++i) judged(gate, 50);
  for (int i = 0; i < 200; ++i) CHECK_FALSE(judged(gate, 0));
  CHECK(gate.median() == 50);
}

TEST_CASE("norm gate: the model's norm is asked for only where nothing else lets the message in") {
  NormGate gate;
  int asked = 0;
  const auto judge = [&](double norm) {
    return gate.judge(norm, 4, [&asked] {
      ++asked;
      return 1000.0;
    });
  };
  for (int i = 0; i < 50; ++i) CHECK_FALSE(judge(190));
  CHECK_FALSE(judge(15'000));
  CHECK(asked == 0);
  CHECK_FALSE(judge(50'000));
  CHECK(asked == 1);
}
