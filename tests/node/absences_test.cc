// When the nodes of a mesh agree that one is away; in virtual time.
#include "node/absences.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace starling;
using namespace starling::node;
using namespace std::chrono_literals;

namespace {

constexpr NodeId kA = node_id(1), kB = node_id(2), kC = node_id(3), kD = node_id(4);
const std::vector<NodeId> kNobody, kOnlyD{kD};

// Node 0 of five, all of whom are there.
Absences among_five() {
  Absences absences({kA, kB, kC, kD}, 5, 10s);
  absences.begin(0s);
  for (const NodeId node : {kA, kB, kC, kD}) absences.there(node);
  return absences;
}

void say(Absences& absences, std::initializer_list<NodeId> who, NodeId about, bool missed = true) {
  for (const NodeId node : who) CHECK(absences.hear(node, {about, missed}));
}

std::vector<NodeId> told(const std::vector<Absences::Word>& words, bool missed) {
  std::vector<NodeId> all;
  for (const Absences::Word& word : words) {
    if (word.missed == missed) all.push_back(word.about);
  }
  return all;
}

}  // namespace

TEST_CASE("absences: a node is away when all that are there have missed it for long") {
  Absences absences = among_five();
  absences.gone(kD, 5s);
  CHECK(absences.look(14s).empty());
  CHECK(told(absences.look(15s), true) == kOnlyD);
  CHECK(absences.look(16s).empty());  // said once
  say(absences, {kA, kB}, kD);
  CHECK(absences.agreed() == kNobody);
  say(absences, {kC}, kD);
  CHECK(absences.agreed() == kOnlyD);
}

TEST_CASE("absences: a node that has said that it leaves is missed at once") {
  Absences absences = among_five();
  absences.gone(kD, 5s);
  absences.left(kD);
  absences.begin(6s);  // a rest in between changes nothing
  CHECK(told(absences.look(6s), true) == kOnlyD);
  say(absences, {kA, kB}, kD);
  CHECK(absences.agreed() == kNobody);
  say(absences, {kC}, kD);
  CHECK(absences.agreed() == kOnlyD);
  absences.there(kD);
  CHECK(told(absences.look(7s), false) == kOnlyD);
  CHECK(absences.agreed() == kNobody);
}

TEST_CASE("absences: those who stay when others leave need not be more than half") {
  Absences absences({kA}, 2, 10s);
  absences.begin(0s);
  absences.there(kA);
  absences.gone(kA, 1s);
  absences.look(20s);
  CHECK(absences.agreed() == kNobody);
  absences.left(kA);
  absences.look(21s);
  CHECK(absences.agreed() == std::vector{kA});
}

TEST_CASE("absences: what all others say of a node that is there puts nobody out") {
  Absences absences = among_five();
  say(absences, {kA, kB, kC}, kD);
  absences.look(1h);
  CHECK(absences.agreed() == kNobody);
}

TEST_CASE("absences: whoever is there again is not missed, and that is said") {
  Absences absences = among_five();
  absences.gone(kD, 0s);
  absences.look(10s);
  say(absences, {kA, kB, kC}, kD);
  absences.there(kD);
  CHECK(told(absences.look(11s), false) == kOnlyD);
  CHECK(absences.agreed() == kNobody);
  absences.gone(kD, 12s);
  absences.look(22s);
  say(absences, {kB}, kD, false);
  CHECK(absences.agreed() == kNobody);
}

TEST_CASE("absences: who has gone takes along what it said of others") {
  Absences absences = among_five();
  absences.gone(kD, 0s);
  absences.look(10s);
  say(absences, {kA, kB, kC}, kD);
  absences.gone(kC, 11s);
  CHECK(absences.agreed() == kNobody);
  say(absences, {kC}, kD);
  absences.there(kC);
  CHECK(absences.agreed() == kNobody);
  say(absences, {kC}, kD);
  CHECK(absences.agreed() == kOnlyD);
}

TEST_CASE("absences: two that are missed do not have to miss each other") {
  Absences absences = among_five();
  absences.gone(kD, 0s);
  absences.gone(kC, 5s);
  absences.look(10s);
  say(absences, {kA, kB}, kD);
  say(absences, {kA}, kC);
  CHECK(absences.agreed() == kNobody);  // of the two kC may still be there for others
  absences.look(15s);
  CHECK(absences.agreed() == kOnlyD);
  say(absences, {kB}, kC);
  CHECK(absences.agreed() == std::vector{kC, kD});
}

TEST_CASE("absences: half of a flock or less never goes on without the rest") {
  Absences absences = among_five();
  for (const NodeId node : {kB, kC, kD}) absences.gone(node, 0s);
  absences.look(1h);
  say(absences, {kA}, kB);
  say(absences, {kA}, kC);
  say(absences, {kA}, kD);
  CHECK(absences.agreed() == kNobody);
  // Of six, of which one is away already, three are no more than half.
  Absences six({kA, kB, kC, kD}, 6, 10s);
  six.begin(0s);
  six.there(kA);
  six.there(kB);
  six.look(10s);
  for (const NodeId about : {kC, kD}) say(six, {kA, kB}, about);
  CHECK(six.agreed() == kNobody);
}

TEST_CASE("absences: the time of a rest does not count") {
  Absences absences({kA, kB}, 3, 10s);
  absences.begin(1h);
  absences.there(kA);
  CHECK(absences.look(1h + 9s).empty());
  CHECK(told(absences.look(1h + 10s), true) == std::vector{kB});
}

TEST_CASE("absences: one that comes hears all that is said") {
  Absences absences = among_five();
  absences.gone(kD, 0s);
  absences.look(10s);
  CHECK(told(absences.words(), true) == kOnlyD);
}

TEST_CASE("absences: a word about whom nobody can miss is refused") {
  Absences absences = among_five();
  CHECK(absences.hear(kA, {kA, true}).error().message ==
        "it says of node 1 whether it misses it, expected another node that takes part");
  CHECK_FALSE(absences.hear(kA, {node_id(0), true}));
  CHECK_FALSE(absences.hear(kA, {node_id(5), true}));
}
