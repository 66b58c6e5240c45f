#include "compress/sign.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "guarded.h"
#include "properties.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

MakeOperator sign(Norm norm, std::size_t bucket) {
  return [=](std::size_t) { return std::make_unique<Sign>(norm, bucket); };
}

void check_kernels(std::size_t size, std::size_t shift, Norm norm) {
  CAPTURE(size);
  CAPTURE(shift);
  GuardedFloats x = guarded_normals(size, shift, 1), e = guarded_normals(size, shift, 2);
  GuardedFloats e_ref = e, y = e, y_ref = e;
  GuardedBytes bits((size + 7) / 8, shift), bits_ref = bits;
  CHECK(pack_signs(x.span(), norm, bits.span().data()) ==
        ref::pack_signs(x.span(), norm, bits_ref.span().data()));
  CHECK(bits == bits_ref);
  add_signs(bits.span().data(), 0.3f, y.span());
  ref::add_signs(bits.span().data(), 0.3f, y_ref.span());
  CHECK(y == y_ref);
  CHECK(add_and_sum(e.span(), x.span(), norm) == ref::add_and_sum(e_ref.span(), x.span(), norm));
  CHECK(e == e_ref);
  pack_signs_and_subtract(e.span(), 0.5f, bits.span().data());
  ref::pack_signs_and_subtract(e_ref.span(), 0.5f, bits_ref.span().data());
  CHECK(e == e_ref);
  CHECK(bits == bits_ref);
}

}  // namespace

TEST_CASE("sign kernels: every instruction set computes the bits of the plain loops") {
  for_each_target([] {
    for (const Norm norm : {Norm::l1, Norm::l2}) {
      for (const std::size_t size :
           {0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 100, 16383, 16384, 16385, 40000}) {
        for (const std::size_t shift : {0, 1, 3}) check_kernels(size, shift, norm);
      }
    }
  });
}

TEST_CASE("sign: the properties of every operator") {
  for (const std::size_t bucket : {std::size_t{0}, std::size_t{512}, Sign::kBucket}) {
    check_operator(sign(Norm::l1, bucket), {.always_contracts = true});
  }
  check_operator(sign(Norm::l2, Sign::kBucket));
}

TEST_CASE("sign: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 13, 512, 1000}) check_hostile(sign(Norm::l1, 512), d);
  check_hostile(sign(Norm::l2, 0), 1000);
}

TEST_CASE("sign: bytes are a scale a bucket and a bit a coordinate") {
  Sign c(Norm::l1, 512);
  CHECK(c.encoded_bytes_max(1000) == 32 + 2 * 4 + 125);
  CHECK(c.encoded_bytes_max(0) == 32);
  CHECK(encoded(c, normals(1000, 1), 0).size() == c.encoded_bytes_max(1000));
}

// Karimireddy et al. 2019, Lemma 8: the L1 scale projects x on its sign vector.
TEST_CASE("sign: the error is ‖x‖² - ‖x‖₁²/d, 1 - 2/π of it for a Gaussian vector") {
  constexpr std::size_t kSize = 1 << 18;
  const std::vector<float> x = normals(kSize, 3);
  Sign c(Norm::l1, 0);
  const std::vector<float> y = decoded(c, encoded(c, x, 0), kSize);
  double l1 = 0;
  for (const float value : x) l1 += std::fabs(value);
  CHECK(distance2(x, y) == doctest::Approx(norm2(x) - l1 * l1 / kSize).epsilon(1e-5));
  CHECK(distance2(x, y) / norm2(x) == doctest::Approx(1 - 2 / std::numbers::pi).epsilon(0.01));
}

TEST_CASE("sign: the L2 scale keeps the norm and stays within its bound") {
  Sign c(Norm::l2, 0);
  for (const Vector& v : vectors(513)) {
    if (v.content == "huge" || v.content == "denormals") continue;
    CAPTURE(v.content);
    const std::vector<float> y = decoded(c, encoded(c, v.x, 0), 513);
    CHECK(norm2(y) == doctest::Approx(norm2(v.x)).epsilon(1e-5));
    CHECK(distance2(v.x, y) <= c.contract(513).constant * norm2(v.x) * (1 + 1e-5));
  }
}

TEST_CASE("sign: a refused scale is named with its bucket") {
  Sign c(Norm::l1, 512);
  std::vector<std::byte> message = encoded(c, normals(1000, 1), 0);
  message[32 + 4 + 3] = std::byte{0xff};
  message[32 + 4 + 2] = std::byte{0xff};
  std::vector<float> y(1000);
  CHECK(c.decode_add(message, 1, y).error().message ==
        "scale of bucket 1: found -nan, expected a finite number of at least 0");
}
