#include "protocol/fingerprint.h"

#include <doctest/doctest.h>

using namespace starling;

namespace {
const Fingerprint kOurs{{"run", "ring8"}, {"model", "mlp 64-10"}, {"seed", "7"}};
}

TEST_CASE("equal fingerprints do not differ, in whatever order their fields come") {
  CHECK_FALSE(first_difference(kOurs, kOurs).has_value());
  CHECK_FALSE(first_difference(kOurs, {kOurs[2], kOurs[0], kOurs[1]}).has_value());
  CHECK_FALSE(first_difference({}, {}).has_value());
}

TEST_CASE("the first difference in our order is named, with both values") {
  const auto found = first_difference(kOurs, {{"seed", "8"}, {"model", "cnn"}, {"run", "ring8"}});
  REQUIRE(found.has_value());
  CHECK(found->field == "model");
  CHECK(found->ours == "mlp 64-10");
  CHECK(found->theirs == "cnn");
}

TEST_CASE("a field that one side lacks is a difference, and only theirs come last") {
  auto found = first_difference(kOurs, {kOurs[0], kOurs[2]});
  REQUIRE(found.has_value());
  CHECK(found->field == "model");
  CHECK(found->theirs == "(absent)");

  found = first_difference(kOurs, {{"new", "x"}, kOurs[0], kOurs[1], kOurs[2]});
  REQUIRE(found.has_value());
  CHECK(found->field == "new");
  CHECK(found->ours == "(absent)");
  CHECK(found->theirs == "x");
}
