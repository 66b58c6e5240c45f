// Who is away, as nodes tell it each other: the order in which they hear of it must not matter.
#include "node/membership.h"

#include <doctest/doctest.h>

#include <array>

#include "protocol/memory_state.h"

using namespace starling;
using namespace starling::node;

namespace {

Membership of(const char* text) { return Membership::parse(text, 8).value(); }

std::string refusal(const char* text) { return Membership::parse(text, 8).error().message; }

}  // namespace

TEST_CASE("membership: a node is away, is back, and is away again") {
  Membership membership;
  CHECK(membership.text() == "none");
  membership = membership.without(std::array{node_id(4)});
  CHECK(membership.is_away(node_id(4)));
  CHECK(membership.away() == std::vector{node_id(4)});
  membership.come_back(node_id(4));
  CHECK_FALSE(membership.is_away(node_id(4)));
  CHECK(membership.away().empty());
  CHECK(membership.text() == "4:2");
  membership = membership.without(std::array{node_id(4), node_id(1)});
  CHECK(membership.text() == "1:1,4:3");
  CHECK(of("1:1,4:3") == membership);
}

TEST_CASE("membership: nodes that join what they know come to the same in every order") {
  const std::array all{of("none"), of("4:1"), of("1:1,4:2"), of("4:3,6:1"), of("1:2")};
  const Membership expected = of("1:2,4:3,6:1");
  std::array<std::size_t, all.size()> order{0, 1, 2, 3, 4};
  do {
    Membership known;
    for (const std::size_t i : order) {
      known.join(all[i]);
      CHECK_FALSE(known.join(all[i]));  // twice is as good as once
    }
    CHECK(known == expected);
  } while (std::ranges::next_permutation(order).found);
}

TEST_CASE("membership: what is older changes nothing") {
  Membership known = of("4:2");
  CHECK_FALSE(known.join(of("4:1")));
  CHECK_FALSE(known.join(of("none")));
  CHECK(known.join(of("4:3")));
}

TEST_CASE("membership: text that no node says is refused") {
  CHECK(refusal("8:1") ==
        "who is away: found '8:1', expected 'none' or pairs NODE:NUMBER of ascending nodes below 8 "
        "with numbers from 1 to 1000000");
  for (const char* text : {"", "4", "4:", "4:0", "4:1,", "4:1,4:2", "6:1,4:1", "4:1000001", "-1:1",
                           "4:99999999999999999999", "4:1 ", "none,4:1", "04:1", ":1", ","}) {
    CAPTURE(text);
    CHECK_FALSE(Membership::parse(text, 8));
  }
}

TEST_CASE("membership: a checkpoint keeps it, and one of another run is refused") {
  Membership membership = of("1:1,4:2");
  MemoryState state;
  {
    Archive saving(static_cast<StateWriter&>(state));
    membership.archive(saving, 8);
  }
  Membership loaded = of("6:1");
  Archive loading(static_cast<const StateReader&>(state));
  loaded.archive(loading, 8);
  CHECK(loading.done());
  CHECK(loaded == membership);
  Archive smaller(static_cast<const StateReader&>(state));
  loaded.archive(smaller, 4);
  CHECK_FALSE(smaller.done());
}
