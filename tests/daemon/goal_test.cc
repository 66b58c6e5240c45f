#include "daemon/goal.h"

#include <doctest/doctest.h>

using starling::daemon::Goal;

TEST_CASE("goal: reached at the first round that all have told of and whose worst suffices") {
  Goal goal(0.9);
  goal.note(20, "n0", 0.95, 2.0);
  CHECK_FALSE(goal.reached(2));
  goal.note(20, "n1", 0.91, 2.5);
  goal.note(10, "n0", 0.92, 1.0);
  goal.note(10, "n1", 0.89, 1.1);
  const auto reached = goal.reached(2);
  REQUIRE(reached);
  CHECK(reached->round == 20);
  CHECK(reached->train_seconds == 2.5);
}

TEST_CASE("goal: a round that comes to light late but is earlier counts") {
  Goal goal(0.5);
  goal.note(20, "n0", 0.6, 2);
  goal.note(10, "n0", 0.6, 1);
  CHECK(goal.reached(1)->round == 10);
}

TEST_CASE("goal: told twice is told once, and nobody has reached nothing") {
  Goal goal(0.5);
  CHECK_FALSE(goal.reached(0));
  goal.note(10, "n0", 0.6, 1);
  goal.note(10, "n0", 0.6, 1);
  CHECK_FALSE(goal.reached(2));
}
