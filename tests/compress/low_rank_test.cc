#include "compress/low_rank.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

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

TEST_CASE("low rank: zero stays zero and leaves the warm start as it is") {
  const std::vector<float> x = normals(30, 4), zeros(30, 0.0f);
  std::vector<float> captured;
  for (const bool pause : {false, true}) {
    LowRank c({6, 5}, 2, 3);
    for (int round = 0; round < 4; ++round) encoded(c, x, 1);
    if (pause) CHECK(decoded(c, encoded(c, zeros, 5), 30) == zeros);
    const std::vector<float> y = decoded(c, encoded(c, x, 2), 30);
    captured.push_back(static_cast<float>(dot(y, y)));
  }
  CHECK(captured[1] == doctest::Approx(captured[0]).epsilon(1e-5));
}

TEST_CASE("low rank: a start that sees nothing of X is drawn anew") {
  LowRank c({4, 3}, 1, 3);
  // The first call leaves V along the first column, of which the second X has nothing.
  const std::vector<float> first = {1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0};
  const std::vector<float> second = {0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0};
  encoded(c, first, 1);
  CHECK(norm2(decoded(c, encoded(c, second, 2), 12)) == 0);
  const std::vector<float> y = decoded(c, encoded(c, second, 3), 12);
  CHECK(distance2(second, y) < 1e-8 * norm2(second));
}

namespace {

MakeOperator low_rank(MatrixShape shape, std::size_t rank,
                      FactorFormat format = FactorFormat::float32) {
  return [=](std::size_t) { return std::make_unique<LowRank>(shape, rank, 3, format); };
}

// ‖X - C(X)‖/‖X‖ for an X of rank 1 whose largest entries are about `scale`.
double error_at(float scale, FactorFormat format) {
  const std::vector<float> u = normals(20, 1), v = normals(15, 2);
  std::vector<float> x(300);
  for (std::size_t i = 0; i < 300; ++i) x[i] = u[i / 15] * v[i % 15] / 8 * scale;
  LowRank c({20, 15}, 1, 3, format);
  return std::sqrt(distance2(x, decoded(c, encoded(c, x, 1), 300)) / norm2(x));
}

}  // namespace

TEST_CASE("low rank: the properties of every operator, for several shapes") {
  for (const MatrixShape shape :
       {MatrixShape{1, 1}, {1, 17}, {17, 1}, {20, 15}, {33, 64}, {130, 100}}) {
    for (const std::size_t rank : {1, 4}) {
      CAPTURE(rank);
      const PropertyOptions options = {.lengths = {shape.size()}, .cancels = true};
      PropertyOptions contracting = options;
      contracting.always_contracts = true;
      check_operator(low_rank(shape, rank), contracting);
      check_operator(low_rank(shape, rank, FactorFormat::bfloat16), options);
    }
  }
}

TEST_CASE("low rank: cut, prolonged and flipped messages") {
  for (const FactorFormat format : {FactorFormat::float32, FactorFormat::bfloat16}) {
    check_hostile(low_rank({20, 15}, 2, format), 300);
    check_hostile(low_rank({1, 1}, 1, format), 1);
  }
}

TEST_CASE("low rank: bytes are r(m + n) numbers of 4 or 2 bytes") {
  LowRank wide({20, 15}, 3, 1), narrow({20, 15}, 3, 1, FactorFormat::bfloat16);
  CHECK(wide.encoded_bytes_max(300) == 32 + 4 * 3 * 35);
  CHECK(narrow.encoded_bytes_max(300) == 32 + 2 * 3 * 35);
  CHECK(encoded(narrow, normals(300, 1), 0).size() == narrow.encoded_bytes_max(300));
}

TEST_CASE("low rank: entries of every magnitude, squares of which are no floats") {
  for (const float scale : {1e-34f, 1e-25f, 1e-12f, 1.0f, 1e15f, 1e30f, 1e38f}) {
    CAPTURE(scale);
    CHECK(error_at(scale, FactorFormat::float32) < 1e-6);
    CHECK(error_at(scale, FactorFormat::bfloat16) < 2 * 0x1p-8 + 0x1p-16);
  }
}

TEST_CASE("low rank: the largest floats of random sign contract and stay floats") {
  for (const FactorFormat format : {FactorFormat::float32, FactorFormat::bfloat16}) {
    for (std::uint64_t key = 0; key < 20; ++key) {
      std::vector<float> x = normals(64, key);
      for (float& value : x) value = std::copysign(std::numeric_limits<float>::max(), value);
      LowRank c({8, 8}, 2, key, format);
      const std::vector<float> y = decoded(c, encoded(c, x, key), 64);
      CHECK(distance2(x, y) < norm2(x));
    }
  }
}

TEST_CASE("low rank: factors of 16 bits stay within the contract") {
  for (const std::size_t rank : {1, 3, 8}) {
    LowRank c({40, 30}, rank, 3, FactorFormat::bfloat16), exact({40, 30}, rank, 3);
    const Contract contract = c.contract(1200);
    CHECK(contract.guarantee == Guarantee::bounded);
    for (std::uint64_t key = 0; key < 20; ++key) {
      const std::vector<float> x = heavy(1200, key);
      const double error = distance2(x, decoded(c, encoded(c, x, 1), 1200)) / norm2(x);
      const double floor = distance2(x, decoded(exact, encoded(exact, x, 1), 1200)) / norm2(x);
      CHECK(error <= contract.constant);
      // √(error) <= √(floor) + (2u + u²)√(r · captured), and the captured part is at most all.
      CHECK(std::sqrt(error) <= std::sqrt(floor) + std::sqrt(contract.constant - 1));
    }
  }
}

TEST_CASE("low rank: refusals name the factor and the format") {
  LowRank c({6, 5}, 1, 3, FactorFormat::bfloat16);
  std::vector<std::byte> message = encoded(c, normals(30, 4), 1);
  std::vector<float> y(30);
  message[32 + 2 * 7] = std::byte{0x80};
  message[32 + 2 * 7 + 1] = std::byte{0x7f};
  CHECK(c.decode_add(message, 1, y).error().message ==
        "factor 7: found inf, expected a finite number");
  const LowRank wide({6, 5}, 1, 3);
  CHECK(wide.decode_add(message, 1, y).error().message ==
        "header field flags: found 1, expected 0");
  // A product that is infinite, which another of the other sign would make NaN.
  LowRank sender({6, 5}, 1, 3);
  message = encoded(sender, normals(30, 4), 1);
  for (const std::size_t at : {32, 32 + 4 * 6}) store(1e30f, message.data() + at);
  CHECK(wide.decode_add(message, 1, y)
            .error()
            .message.starts_with("products of the factors: found 1"));
  CHECK(y == std::vector<float>(30, 0.0f));
}
