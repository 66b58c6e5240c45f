#include "compress/low_rank.h"

#include <doctest/doctest.h>

#include <cmath>

#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

void check_orthonormal(std::span<const float> v, std::size_t length) {
  const std::size_t rank = v.size() / length;
  for (std::size_t a = 0; a < rank; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      const double expected = a == b ? 1 : 0;
      CHECK(std::abs(dot(v.subspan(a * length, length), v.subspan(b * length, length)) - expected) <
            1e-5);
    }
  }
}

}  // namespace

TEST_CASE("orthonormalize: random, dependent, zero, tiny and huge vectors") {
  constexpr std::size_t kLength = 12;
  std::vector<float> v = normals(3 * kLength, 1);
  orthonormalize(v, kLength, 1);
  check_orthonormal(v, kLength);

  v = normals(3 * kLength, 1);
  for (std::size_t i = 0; i < kLength; ++i) v[2 * kLength + i] = 2 * v[i] - v[kLength + i];
  orthonormalize(v, kLength, 1);
  check_orthonormal(v, kLength);

  v.assign(3 * kLength, 0.0f);
  orthonormalize(v, kLength, 1);
  check_orthonormal(v, kLength);

  for (const float scale : {1e-38f, 1e-44f, 1e30f}) {
    v = normals(kLength, 2);
    for (float& x : v) x *= scale;
    std::vector<float> direction = normals(kLength, 2);
    orthonormalize(v, kLength, 1);
    orthonormalize(direction, kLength, 1);
    check_orthonormal(v, kLength);
    if (scale != 1e-44f) CHECK(dot(v, direction) == doctest::Approx(1).epsilon(1e-4));
  }
}

TEST_CASE("orthonormalize: a redrawn vector depends on the shared key alone") {
  std::vector<float> a(12, 0.0f), b(12, 0.0f), c(12, 0.0f);
  orthonormalize(a, 12, 5);
  orthonormalize(b, 12, 5);
  orthonormalize(c, 12, 6);
  CHECK(a == b);
  CHECK(a != c);
}

// Specification §1.10: the decoded matrix is an orthogonal projection of X.
TEST_CASE("low rank: ‖X - C(X)‖² = ‖X‖² - ‖C(X)‖², never expansive") {
  for (const std::size_t rank : {1, 2, 4}) {
    LowRank c({20, 15}, rank, 3);
    const std::vector<float> x = normals(300, 7);
    std::vector<std::byte> bytes(c.encoded_bytes_max(300));
    CHECK(bytes.size() == 32 + rank * 35 * 4);
    double captured = 0;
    for (int round = 0; round < 8; ++round) {
      REQUIRE(c.encode(x, 1, bytes).ok());
      const std::vector<float> y = decoded(c, bytes, 300);
      double error = 0;
      for (std::size_t i = 0; i < x.size(); ++i) error += std::pow(double{x[i]} - y[i], 2);
      CHECK(error == doctest::Approx(dot(x, x) - dot(y, y)).epsilon(1e-4));
      CHECK(dot(y, y) >= captured * (1 - 1e-6));  // the warm start is monotone on a fixed X
      captured = dot(y, y);
    }
  }
}

TEST_CASE("low rank: a matrix of rank r comes through, also when r is asked for twice over") {
  const std::vector<float> u = normals(20, 1), v = normals(15, 2);
  std::vector<float> x(300);
  for (std::size_t i = 0; i < 20; ++i) {
    for (std::size_t j = 0; j < 15; ++j) x[i * 15 + j] = u[i] * v[j];
  }
  for (const std::size_t rank : {1, 2}) {
    LowRank c({20, 15}, rank, 3);
    std::vector<std::byte> bytes(c.encoded_bytes_max(300));
    REQUIRE(c.encode(x, 1, bytes).ok());
    const std::vector<float> y = decoded(c, bytes, 300);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(x[i] - y[i]) < 2e-5);
  }
}

TEST_CASE("low rank: zero stays zero and does not end the warm start") {
  LowRank c({6, 5}, 2, 3);
  std::vector<std::byte> bytes(c.encoded_bytes_max(30));
  REQUIRE(c.encode(std::vector<float>(30, 0.0f), 1, bytes).ok());
  CHECK(decoded(c, bytes, 30) == std::vector<float>(30, 0.0f));
  const std::vector<float> x = normals(30, 4);
  REQUIRE(c.encode(x, 2, bytes).ok());
  const std::vector<float> y = decoded(c, bytes, 30);
  CHECK(dot(y, y) > 0.1 * dot(x, x));
}
