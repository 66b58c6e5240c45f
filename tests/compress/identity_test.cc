#include "compress/identity.h"

#include <doctest/doctest.h>

#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {
const MakeOperator kIdentity = [](std::size_t) { return std::make_unique<Identity>(); };
}

TEST_CASE("identity: the properties of every operator") {
  check_operator(kIdentity, {.always_contracts = true});
}

TEST_CASE("identity: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 100}) check_hostile(kIdentity, d);
}

TEST_CASE("identity: decodes to what was encoded, to the bit") {
  Identity c;
  const std::vector<float> x = heavy(1000, 1);
  CHECK(encoded(c, x, 0).size() == 32 + 4000);
  CHECK(decoded(c, encoded(c, x, 0), 1000) == x);
}
