#include "compress/top_k.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "compress/sign.h"
#include "guarded.h"
#include "properties.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

MakeOperator top_k(double ratio, ValueFormat format = ValueFormat::float32,
                   std::optional<IndexCode> code = std::nullopt) {
  return [=](std::size_t) {
    return std::make_unique<TopK>(ratio, SparseCoder(format, nullptr, code));
  };
}

MakeOperator top_k_signs(double ratio) {
  return [=](std::size_t) {
    return std::make_unique<TopK>(
        ratio, SparseCoder(ValueFormat::nested, std::make_unique<Sign>(Norm::l1, 64)));
  };
}

}  // namespace

TEST_CASE("top-k: the properties of every operator") {
  for (const double ratio : {1e-3, 0.01, 0.3, 1.0}) {
    check_operator(top_k(ratio), {.always_contracts = true});
  }
}

TEST_CASE("top-k: the properties with other values and indices") {
  PropertyOptions options{.lengths = {0, 1, 17, 129, 512, 8191, 8193, 65537},
                          .always_contracts = true};
  check_operator(top_k(0.05, ValueFormat::float32, IndexCode::blocks16), options);
  check_operator(top_k(0.05, ValueFormat::float32, IndexCode::bitmap), options);
  check_operator(top_k_signs(0.05), options);
  options.leave_out = {"denormals"};  // bfloat16 keeps fewer of their bits
  check_operator(top_k(0.05, ValueFormat::bfloat16), options);
  options.leave_out = {"denormals", "huge"};  // float16 refuses more than 65504
  options.always_contracts = false;           // bounded: small values are denormals there
  check_operator(top_k(0.05, ValueFormat::float16), options);
}

TEST_CASE("top-k: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 13, 512, 1000}) check_hostile(top_k(0.05), d);
  check_hostile(top_k(0.05, ValueFormat::bfloat16), 1000);
  check_hostile(top_k_signs(0.2), 1000);
}

TEST_CASE("top-k: keeps the magnitudes that a sorted list has in front") {
  for (const Vector& v : vectors(5003)) {
    CAPTURE(v.content);
    TopK c(0.02);
    const std::vector<float> y = decoded(c, encoded(c, v.x, 0), v.x.size());
    std::vector<float> kept, sorted;
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (y[i] == 0) continue;
      CHECK(y[i] == v.x[i]);
      kept.push_back(std::fabs(y[i]));
    }
    for (const float value : v.x) sorted.push_back(std::fabs(value));
    std::ranges::sort(sorted, std::greater<>());
    sorted.resize(100);
    std::erase(sorted, 0.0f);
    std::ranges::sort(kept, std::greater<>());
    CHECK(kept == sorted);
  }
}

TEST_CASE("top-k: of equal magnitudes keeps the first") {
  TopK c(0.01);
  std::vector<float> x(20000, -2.0f);
  const std::vector<float> y = decoded(c, encoded(c, x, 0), x.size());
  std::fill(x.begin() + 200, x.end(), 0.0f);
  CHECK(y == x);
}

TEST_CASE("top-k: what it kept it keeps again") {
  for (const std::size_t d : {100, 20000}) {
    TopK c(0.03);
    const std::vector<std::byte> once = encoded(c, heavy(d, 1), 0);
    const std::vector<float> y = decoded(c, once, d);
    CHECK(encoded(c, y, 0) == once);
  }
}

TEST_CASE("top-k: the history changes nothing") {
  TopK c(0.01), with_history(0.01);
  for (std::uint64_t round = 0; round < 12; ++round) {
    std::vector<float> x = heavy(30000, round);
    for (float& value : x) value *= std::pow(10.0f, static_cast<float>(round % 5) - 2);
    CHECK(encoded(with_history, x, 0) == encoded(*top_k(0.01)(0), x, 0));
  }
}

TEST_CASE("top-k: with error feedback everything arrives in the end, exactly") {
  for_each_target([] {
    constexpr std::size_t kSize = 10000;
    TopK c(0.01), plain(0.01);
    std::vector<float> e(kSize, 0.0f), e_plain = e;
    std::vector<std::byte> out(c.encoded_bytes_max(kSize)), out_plain = out;
    for (std::uint64_t round = 0; round < 20; ++round) {
      const std::vector<float> g = heavy(kSize, round);
      const auto used = c.encode_ef(e, g, round, out);
      const auto used_plain = plain.Compressor::encode_ef(e_plain, g, round, out_plain);
      REQUIRE(used.ok());
      REQUIRE(*used == *used_plain);
      CHECK(std::equal(out.begin(), out.begin() + *used, out_plain.begin()));
      CHECK(e == e_plain);
    }
  });
}

// Specification §1.1: Rice indices cost 8.11 bits at 1 % and 11.50 at 0.1 %.
TEST_CASE("top-k: 24.1 bits an entry at 1 % with bfloat16 values, 27.5 at 0.1 %") {
  constexpr std::size_t kSize = 1'000'000;
  const std::vector<float> x = heavy(kSize, 1);
  const auto bits = [&](double ratio) {
    TopK c(ratio, SparseCoder(ValueFormat::bfloat16));
    const auto bytes = encoded(c, x, 0).size() - 32;
    return 8 * static_cast<double>(bytes) / (ratio * kSize);
  };
  CHECK(bits(0.01) == doctest::Approx(24.11).epsilon(0.003));
  CHECK(bits(0.001) == doctest::Approx(27.50).epsilon(0.005));
}

TEST_CASE("top-k: the contract is k/d, less what the value format loses") {
  CHECK(TopK(0.01).contract(1000) == Contract{Guarantee::contractive, 0.01});
  CHECK(TopK(0.01).contract(10) == Contract{Guarantee::contractive, 0.1});
  CHECK(TopK(0.01, SparseCoder(ValueFormat::bfloat16)).contract(1000) ==
        Contract{Guarantee::contractive, (1 - 0x1p-16) * 0.01});
}

TEST_CASE("top-k: more entries than it sends are refused") {
  TopK c(0.01), larger(0.5);
  const std::vector<std::byte> message = encoded(larger, normals(1000, 1), 0);
  std::vector<float> y(1000);
  CHECK(c.decode_add(message, 1, y).error().message ==
        "header field count: found 500, expected at most 10");
}

TEST_CASE("split k: in proportion, by the largest remainders") {
  using Sizes = std::vector<std::size_t>;
  CHECK(split_k(10, Sizes{50, 30, 20}) == Sizes{5, 3, 2});
  CHECK(split_k(10, Sizes{55, 25, 20}) == Sizes{6, 2, 2});  // 5.5, 2.5: the first of equal ones
  CHECK(split_k(4, Sizes{10, 10, 10}) == Sizes{2, 1, 1});
  CHECK(split_k(100, Sizes{3, 0, 4}) == Sizes{3, 0, 4});
  CHECK(split_k(0, Sizes{3, 4}) == Sizes{0, 0});
  CHECK(split_k(5, Sizes{}).empty());
  CHECK(split_k(5, Sizes{0, 0}) == Sizes{0, 0});
}

TEST_CASE("split k: every part gets one where k allows it") {
  using Sizes = std::vector<std::size_t>;
  CHECK(split_k(10, Sizes{1000, 1, 0, 1, 500}) == Sizes{5, 1, 0, 1, 3});
  CHECK(split_k(4, Sizes{1000, 1, 1, 1}) == Sizes{1, 1, 1, 1});
  CHECK(split_k(2, Sizes{1000, 1, 1, 1000}) == Sizes{1, 0, 0, 1});
  const Sizes large{0xfffff000, 0xfff};
  CHECK(split_k(0xfffffffe, large) == Sizes{0xffffefff, 0xfff});
}

TEST_CASE("split k: sums to k and stays within the sizes") {
  const Random random(3, Stream::test);
  for (std::uint64_t round = 0; round < 300; ++round) {
    std::vector<std::size_t> sizes(1 + random.below(round * 64, 20));
    for (std::size_t b = 0; b < sizes.size(); ++b) {
      sizes[b] = random.below(round * 64 + 1 + b, b % 3 == 0 ? 5 : 2000);
    }
    const std::size_t d = std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
    const std::size_t k = random.below(round * 64 + 40, d + 10);
    const auto parts = split_k(k, sizes);
    CHECK(std::accumulate(parts.begin(), parts.end(), std::size_t{0}) == std::min(k, d));
    for (std::size_t b = 0; b < sizes.size(); ++b) CHECK(parts[b] <= sizes[b]);
  }
}
