#include "compress/index_code.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "compress/kernels/rice.h"
#include "guarded.h"
#include "protocol/random.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

using Indices = std::vector<std::uint32_t>;

constexpr IndexCode kSent[] = {IndexCode::rice, IndexCode::elias_fano, IndexCode::blocks16,
                               IndexCode::bitmap};

// Each index with probability p.
Indices draw(std::size_t d, double p, std::uint64_t key) {
  const Random random(31, Stream::test, {key});
  Indices indices;
  for (std::size_t i = 0; i < d; ++i) {
    if (random.uniform(i) < p) indices.push_back(static_cast<std::uint32_t>(i));
  }
  return indices;
}

Indices run(std::uint32_t first, std::size_t count) {
  Indices indices(count);
  std::iota(indices.begin(), indices.end(), first);
  return indices;
}

std::vector<std::byte> written(const IndexPlan& plan, const Indices& indices, std::size_t d) {
  GuardedBytes out(plan.bytes, 1);
  write_indices(plan, indices, d, out.span());
  CHECK(out.untouched());
  return {out.span().begin(), out.span().end()};
}

void check_round_trip(const IndexPlan& plan, const Indices& indices, std::size_t d) {
  CAPTURE(static_cast<int>(plan.code));
  CAPTURE(indices.size());
  CAPTURE(d);
  std::vector<std::byte> bytes = written(plan, indices, d);
  Indices back(indices.size());
  const auto read = read_indices(plan, d, bytes, back);
  REQUIRE_MESSAGE(read.ok(), (read.ok() ? "" : read.error().message));
  CHECK(*read == plan.bytes);
  CHECK(back == indices);
  if (!bytes.empty()) {
    CHECK_FALSE(read_indices(plan, d, std::span(bytes).first(bytes.size() - 1), back).ok());
  }
  bytes.resize(bytes.size() + 9, std::byte{0xff});  // what follows is not looked at
  CHECK(*read_indices(plan, d, bytes, back) == plan.bytes);
}

void check_every_code(const Indices& indices, std::size_t d) {
  const IndexPlan best = plan_indices(indices, d);
  CHECK(best.bytes <= index_bytes_max(indices.size(), d));
  check_round_trip(best, indices, d);
  for (const IndexCode code : kSent) {
    const IndexPlan plan = plan_indices_as(code, indices, d);
    CHECK(plan.bytes <= index_bytes_max_as(code, indices.size(), d));
    CHECK(plan.bytes >= best.bytes);
    check_round_trip(plan, indices, d);
  }
}

std::string sentence(const IndexPlan& plan, std::size_t d, std::vector<std::byte> bytes,
                     std::size_t count) {
  Indices out(count);
  const auto read = read_indices(plan, d, bytes, out);
  return read.ok() ? "" : read.error().message;
}

std::vector<std::byte> bytes_of(std::initializer_list<unsigned> values) {
  std::vector<std::byte> bytes;
  for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

}  // namespace

// Gaps around 2^b, some of which are too long for a word.
TEST_CASE("index codes: every instruction set writes the Rice codes of the plain loop") {
  for (unsigned b = 0; b < 32; ++b) {
    for (const std::size_t count : {0, 1, 2, 3, 4, 5, 9, 200}) {
      const Random random(31, Stream::test, {b});
      Indices indices;
      std::uint64_t next = 0, bits = 0;
      for (std::size_t j = 0; j < count; ++j) {
        const double scale = std::ldexp(j % 50 == 7 ? 90 : 2, static_cast<int>(b));
        const auto gap = static_cast<std::uint64_t>(random.uniform(j) * scale);
        if (next + gap > 0xffffffff) break;
        indices.push_back(static_cast<std::uint32_t>(next + gap));
        next += gap + 1;
        bits += (gap >> b) + b + 1;
      }
      CAPTURE(b);
      CAPTURE(indices.size());
      GuardedBytes out((bits + 7) / 8, 1), wanted = out;
      ref::write_rice(indices, b, wanted.span());
      for_each_target([&] {
        std::ranges::fill(out.span(), std::byte{0xff});
        write_rice(indices, b, out.span());
        CHECK(out == wanted);
      });
    }
  }
}

TEST_CASE("index codes: every set comes back, in every code, from exactly the planned bytes") {
  for (const std::size_t d : {0, 1, 2, 7, 8, 9, 63, 64, 65, 300, 65535, 65536, 65537, 200'000}) {
    for (const double p : {0.0, 0.0003, 0.01, 0.1, 0.5, 0.9}) check_every_code(draw(d, p, d), d);
    check_every_code(run(0, d), d);
    if (d == 0) continue;
    const auto last = static_cast<std::uint32_t>(d - 1);
    check_every_code({0}, d);
    check_every_code({last}, d);
    check_every_code(run(0, d - 1), d);
    check_every_code(run(1, d - 1), d);
    check_every_code(run(last / 2, d / 3), d);
  }
  for (unsigned set = 0; set < 1U << 9; ++set) {
    Indices indices;
    for (std::uint32_t i = 0; i < 9; ++i) {
      if (set >> i & 1) indices.push_back(i);
    }
    check_every_code(indices, 9);
  }
}

TEST_CASE("index codes: the largest indices of 32 bits") {
  constexpr std::size_t kMost = 0xffffffff;
  for (const Indices& indices :
       {Indices{0xfffffffe}, Indices{0, 0xfffffffe}, Indices{5, 0x80000000}, run(0xfffffff0, 15)}) {
    for (const IndexCode code : {IndexCode::rice, IndexCode::elias_fano}) {
      check_round_trip(plan_indices_as(code, indices, kMost), indices, kMost);
    }
  }
}

TEST_CASE("index codes: the bound is reached by the last indices, and rises with k below d") {
  for (std::size_t d = 1; d <= 300; ++d) {
    for (std::size_t k = 0; k < d; ++k) {
      CAPTURE(d);
      CAPTURE(k);
      const std::size_t most = index_bytes_max(k, d);
      REQUIRE(plan_indices(run(static_cast<std::uint32_t>(d - k), k), d).bytes == most);
      REQUIRE(index_bytes_max_as(IndexCode::elias_fano, k, d) >= most);
      if (k > 0) REQUIRE(index_bytes_max(k - 1, d) <= most);
    }
    REQUIRE(index_bytes_max(d, d) == 0);
  }
}

// The specification's table of §1.1.
TEST_CASE("index codes: bits an index at the densities of the table") {
  struct Row {
    double p;
    std::size_t d;
    double rice, elias_fano, blocks16;
    unsigned b;
  };
  for (const Row& row :
       {Row{0.1, 1 << 20, 4.76, 5.25, 16.0, 3}, Row{0.01, 1 << 22, 8.11, 8.56, 16.05, 6},
        Row{0.001, 1 << 23, 11.50, 11.95, 16.5, 9}, Row{0.0001, 1 << 24, 14.79, 15.22, 20.9, 13}}) {
    CAPTURE(row.p);
    const Indices indices = draw(row.d, row.p, 7);
    const auto bits = [&](IndexCode code) {
      return 8.0 * plan_indices_as(code, indices, row.d).bytes / indices.size();
    };
    CHECK(plan_indices_as(IndexCode::rice, indices, row.d).parameter == row.b);
    CHECK(bits(IndexCode::rice) == doctest::Approx(row.rice).epsilon(0.006));
    CHECK(bits(IndexCode::elias_fano) == doctest::Approx(row.elias_fano).epsilon(0.006));
    CHECK(bits(IndexCode::blocks16) == doctest::Approx(row.blocks16).epsilon(0.006));
    CHECK(plan_indices(indices, row.d).code == IndexCode::rice);
  }
}

TEST_CASE(
    "index codes: the planner takes the bitmap where it is dense, blocks where it is uneven") {
  CHECK(plan_indices(draw(10'000, 0.4, 1), 10'000).code == IndexCode::bitmap);
  CHECK(plan_indices(run(0, 100), 100).code == IndexCode::all);
  CHECK(plan_indices({}, 100) == IndexPlan{IndexCode::rice, 0, 0});
  CHECK(plan_indices({}, 0).code == IndexCode::all);
  // At 1 bit an index Rice is far below every other code.
  const IndexPlan packed = plan_indices(run(0, 50'000), 1 << 20);
  CHECK(packed.code == IndexCode::rice);
}

TEST_CASE("index codes: flipped and random bytes are refused or give rising indices below d") {
  const Random random(32, Stream::test);
  std::uint64_t draw_at = 0;
  for (const std::size_t d : {9, 300, 70'000}) {
    for (const IndexCode code : kSent) {
      const Indices indices = draw(d, 0.1, 5);
      const IndexPlan plan = plan_indices_as(code, indices, d);
      const std::vector<std::byte> good = written(plan, indices, d);
      for (int round = 0; round < 2000; ++round) {
        std::vector<std::byte> bad = good;
        for (int flips = 0; flips <= round % 3; ++flips) {
          const std::uint64_t bit = random.below(draw_at++, bad.size() * 8);
          bad[bit / 8] ^= std::byte{1} << (bit % 8);
        }
        Indices out(indices.size());
        const auto read = read_indices(plan, d, bad, out);
        if (!read.ok()) {
          CHECK(read.error().code == ErrorCode::peer);
          continue;
        }
        CHECK(std::ranges::adjacent_find(out, std::greater_equal()) == out.end());
        CHECK((out.empty() || out.back() < d));
        // What was taken is what these indices are written as, so nothing is hidden in the bytes.
        if (*read == plan.bytes) CHECK(written(plan, out, d) == bad);
      }
    }
  }
}

TEST_CASE("index codes: what is wrong is named") {
  using enum IndexCode;
  CHECK(sentence({.code = static_cast<IndexCode>(6)}, 9, {}, 1) ==
        "header field flags: index code: found 6, expected 1 to 5");
  CHECK(sentence({rice, 32}, 9, {}, 0) == "header field param: found 32, expected at most 31");
  CHECK(sentence({bitmap, 1}, 9, {}, 0) == "header field param: found 1, expected at most 0");
  CHECK(sentence({all}, 9, {}, 8) == "header field count: found 8, expected 9");
  CHECK(sentence({rice, 0}, 9, bytes_of({0xff, 0x01}), 10) ==
        "index 9: found 19 or more, expected below 9");
  CHECK(sentence({rice, 0}, 999, bytes_of({0x0f}), 5) ==
        "index bytes: found only 1, expected more");
  CHECK(sentence({rice, 0}, 9, bytes_of({0x0f}), 3) ==
        "bits behind the indices: found a one, expected zeros");
  CHECK(sentence({bitmap}, 9, bytes_of({0x0f, 0x02}), 5) ==
        "bits behind the indices: found a one, expected zeros");
  CHECK(sentence({bitmap}, 9, bytes_of({0x0f, 0x00}), 5) ==
        "ones of the index bitmap: found 4, expected 5");
  CHECK(sentence({blocks16}, 9, bytes_of({2, 0, 0, 0, 3, 0, 3, 0}), 2) ==
        "offsets of index block 0: found falling ones, expected rising");
  CHECK(sentence({blocks16}, 9, bytes_of({2, 0, 0, 0, 3, 0, 9, 0}), 2) ==
        "index 1: found 9, expected below 9");
  CHECK(sentence({blocks16}, 9, bytes_of({3, 0, 0, 0, 3, 0, 9, 0}), 2) ==
        "count of index block 0: found 3, expected at most 2");
  // l = 2: low bits 1, 0, then the high parts 0, 0: index 0 behind index 1.
  CHECK(sentence({elias_fano}, 9, bytes_of({0x31, 0}), 2) ==
        "index 1: found 0, expected at least 2");
}

TEST_CASE("index codes: a run of zeros as long as the message is refused at once") {
  const std::vector<std::byte> zeros(1 << 20);
  Indices out(1 << 20);
  for (const unsigned b : {0, 13, 31}) {
    CHECK_FALSE(
        read_indices({IndexCode::rice, static_cast<std::uint8_t>(b)}, 1 << 24, zeros, out).ok());
  }
}
