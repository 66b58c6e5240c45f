#include "compress/repeated.h"

#include <doctest/doctest.h>

#include <cmath>

#include "compress/counter_random.h"
#include "compress/random_k.h"
#include "compress/sign.h"
#include "compress/top_k.h"
#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

std::unique_ptr<Repeated> signs(std::size_t /*d*/) {
  return std::make_unique<Repeated>(std::make_unique<Sign>(Norm::l1, 512), 3);
}

}  // namespace

TEST_CASE("repeated: the properties of every operator") {
  check_operator(signs, {.lengths = {0, 1, 15, 16, 17, 511, 512, 513, 10'000}, .cancels = true});
}

TEST_CASE("repeated: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 13, 512, 1000}) check_hostile(signs, d);
}

// NEOLITHIC, Lemma 1: ‖C_R(x) - x‖² <= (1 - δ)^R ‖x‖².
TEST_CASE("repeated: each time takes its share of what is left") {
  constexpr std::size_t kSize = 1000;
  const std::vector<float> x = heavy(kSize, 3);
  double before = 1;
  for (const std::size_t times : {1, 2, 4, 8}) {
    CAPTURE(times);
    Repeated c(std::make_unique<TopK>(0.1), times);
    const Contract contract = c.contract(kSize);
    CHECK(contract.guarantee == Guarantee::contractive);
    CHECK(contract.constant == doctest::Approx(1 - std::pow(0.9, times)));
    const double left = distance2(x, decoded(c, encoded(c, x, 5), kSize)) / norm2(x);
    CHECK(left <= 1 - contract.constant);
    CHECK(left < before);
    before = left;
  }
}

TEST_CASE("repeated: once is the operator itself, behind a length") {
  const std::vector<float> x = normals(700, 4);
  Repeated once(std::make_unique<TopK>(0.05), 1);
  TopK plain(0.05);
  const std::vector<std::byte> message = encoded(once, x, 9);
  CHECK(decoded(once, message, 700) == decoded(plain, encoded(plain, x, subkey(9, 0)), 700));
  CHECK(message.size() == 32 + 4 + encoded(plain, x, 9).size());
}

// With one key for all times Random-K would choose what it has sent already.
TEST_CASE("repeated: an operator that draws draws anew each time") {
  const std::vector<float> x(2000, 1.0f);
  Repeated c(std::make_unique<RandomK>(0.1, RandomK::Form::contractive), 2);
  const double left = distance2(x, decoded(c, encoded(c, x, 1), 2000)) / norm2(x);
  CHECK(left == doctest::Approx(0.81).epsilon(0.03));
}
