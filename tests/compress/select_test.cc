#include "compress/kernels/select.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "compress/kth_magnitude.h"
#include "compress/top_selector.h"
#include "guarded.h"
#include "properties.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

// Entries with their slack, between sentinels.
struct Entries {
  Entries(std::size_t capacity, std::size_t shift)
      : indices(capacity + Slots::kSlack, shift), values(capacity + Slots::kSlack, shift) {}
  Slots slots() { return {indices.span(), values.span()}; }
  bool starts_like(Entries& other, std::size_t count) {
    return std::ranges::equal(indices.span().first(count), other.indices.span().first(count)) &&
           std::ranges::equal(values.span().first(count), other.values.span().first(count));
  }
  Guarded<std::uint32_t> indices;
  GuardedFloats values;
};

std::uint32_t threshold_of(std::span<const float> x, double density) {
  if (x.empty() || density == 1) return 0;
  std::vector<std::uint32_t> rest;
  return kth_magnitude(x, 1 + static_cast<std::size_t>(density * static_cast<double>(x.size() - 1)),
                       {}, rest);
}

void check_collect(std::span<const float> x, std::uint32_t threshold, std::size_t capacity,
                   std::size_t shift) {
  Entries found(capacity, shift), wanted(capacity, shift);
  const Collected want = ref::collect_at_least(x, threshold, wanted.slots());
  CHECK(collect_at_least(x, threshold, found.slots()) == want);
  CHECK(found.indices.untouched());
  CHECK(found.values.untouched());
  if (want.count <= capacity) CHECK(found.starts_like(wanted, want.count));
  const GuardedFloats g = guarded_normals(x.size(), shift, 8);
  GuardedFloats e(x.size(), shift), e_ref = e;
  std::ranges::copy(x, e.span().begin());
  std::ranges::copy(x, e_ref.span().begin());
  const Collected sum = ref::add_and_collect(e_ref.span(), g.span(), threshold, wanted.slots());
  CHECK(add_and_collect(e.span(), g.span(), threshold, found.slots()) == sum);
  CHECK(e == e_ref);
  CHECK(found.indices.untouched());
  if (sum.count <= capacity) CHECK(found.starts_like(wanted, sum.count));
}

void check_take(std::span<const float> x, std::uint32_t threshold, std::size_t capacity,
                std::size_t shift) {
  Entries found(capacity, shift), wanted(capacity, shift);
  GuardedFloats e(x.size(), shift), e_ref = e;
  const GuardedFloats g = guarded_normals(x.size(), shift, 8);
  std::ranges::copy(x, e.span().begin());
  std::ranges::copy(x, e_ref.span().begin());
  const Collected want = ref::add_and_take(e_ref.span(), g.span(), threshold, wanted.slots());
  CHECK(add_and_take(e.span(), g.span(), threshold, found.slots()) == want);
  CHECK(e == e_ref);
  CHECK(found.indices.untouched());
  CHECK(found.values.untouched());
  if (want.count > capacity) return;
  CHECK(found.starts_like(wanted, want.count));
  for (const std::uint32_t bound : {0u, threshold, threshold + threshold / 64, 0x80000000u}) {
    ref::put_back_below(wanted.slots(), want.count, bound, e_ref.span());
    put_back_below(found.slots(), want.count, bound, e.span());
    CHECK(e == e_ref);
  }
}

void check_refine(std::span<const float> x, std::uint32_t threshold, std::size_t shift) {
  Entries found(x.size(), shift);
  for (std::size_t i = 0; i < x.size(); ++i) {
    found.indices.span()[i] = static_cast<std::uint32_t>(3 * i);
    found.values.span()[i] = x[i];
  }
  Entries wanted = found;
  const std::size_t n = ref::keep_at_least(wanted.slots(), x.size(), threshold);
  CHECK(keep_at_least(found.slots(), x.size(), threshold) == n);
  CHECK(found.starts_like(wanted, n));
  CHECK(found.indices.untouched());
  const std::size_t below = ref::values_below(x, threshold, wanted.values.span());
  CHECK(values_below(x, threshold, found.values.span()) == below);
  CHECK(std::ranges::equal(found.values.span().first(below), wanted.values.span().first(below)));
  CHECK(found.values.untouched());
}

using Indices = std::vector<std::uint32_t>;

void check_found(const TopSelector& selector, const Result<TopSelection>& found,
                 std::span<const float> x, const Indices& want) {
  REQUIRE(found.ok());
  REQUIRE(std::ranges::equal(found->indices, want));
  std::uint32_t least = 0x7fffffff;
  for (std::size_t j = 0; j < want.size(); ++j) {
    least = std::min(least, magnitude(x[want[j]]));
    if (magnitude(found->values[j] - x[want[j]]) != 0) FAIL("value " << j);
  }
  if (!want.empty()) CHECK(selector.last_threshold() == least);
}

void check_taken(TopSelector& selector, std::span<const float> x, const Indices& want,
                 std::size_t k) {
  std::vector<float> e(x.size(), -0.0f), rest(x.begin(), x.end());
  check_found(selector, selector.add_and_take(e, x, k), x, want);
  for (const std::uint32_t index : want) rest[index] = 0;
  CHECK(e == rest);
}

void check_selection(TopSelector& selector, std::span<const float> x, std::size_t k) {
  CAPTURE(x.size());
  CAPTURE(k);
  const Indices want = ref::top_indices(x, k);
  check_found(selector, selector.select(x, k), x, want);
  check_found(selector, selector.select(x, k), x, want);  // with a guess that holds
  std::vector<float> e(x.size(), -0.0f);
  check_found(selector, selector.add_and_select(e, x, k), x, want);
  check_taken(selector, x, want, k);
}

}  // namespace

TEST_CASE("select kernels: every instruction set keeps what the plain loops keep") {
  for_each_target([] {
    for (const std::size_t size : {0, 1, 15, 63, 64, 65, 127, 200, 4095, 4096, 4160, 8500}) {
      for (const std::size_t shift : {0, 1, 3}) {
        CAPTURE(size);
        CAPTURE(shift);
        const GuardedFloats x = guarded_normals(size, shift, 7);
        for (const double density : {0.0, 0.01, 0.03, 0.1, 0.6, 1.0}) {
          CAPTURE(density);
          const std::uint32_t threshold = threshold_of(x.span(), density);
          check_collect(x.span(), threshold, size, shift);
          check_take(x.span(), threshold, size, shift);
          check_refine(x.span(), threshold, shift);
        }
      }
    }
  });
}

TEST_CASE("select kernels: a sweep with too many entries says so and writes no further") {
  for_each_target([] {
    const std::vector<float> x = heavy(9000, 1);
    for (const double density : {0.01, 0.04, 0.5}) {
      const std::uint32_t threshold = threshold_of(x, density);
      const auto count = static_cast<std::size_t>(
          std::ranges::count_if(x, [=](float v) { return magnitude(v) >= threshold; }));
      for (const std::size_t capacity : {std::size_t{0}, count / 2, count - 1, count, count + 1}) {
        CAPTURE(capacity);
        check_collect(x, threshold, capacity, 1);
        check_take(x, threshold, capacity, 1);
      }
    }
  });
}

TEST_CASE("select kernels: NaN and infinity are the largest, in every place of a block") {
  for_each_target([] {
    for (const std::size_t at : {0, 63, 4095, 4096, 5000, 5010}) {
      for (const double density : {0.01, 0.5}) {
        std::vector<float> x = heavy(5011, 1);
        const std::uint32_t threshold = threshold_of(x, density);
        x[at] = -std::numeric_limits<float>::infinity();
        Entries found(x.size(), 0);
        CHECK(collect_at_least(x, threshold, found.slots()).largest == kInfinity);
        x[at] = std::nanf("");
        CHECK(collect_at_least(x, threshold, found.slots()).largest > kInfinity);
      }
    }
  });
}

TEST_CASE("kth magnitude: as in a sorted list, also of few values and of one octave") {
  std::vector<std::uint32_t> rest;
  for (const std::size_t size : {1, 2, 100, 4095, 4096, 20000}) {
    for (const Vector& v : vectors(size)) {
      std::vector<std::uint32_t> sorted;
      for (const float value : v.x) sorted.push_back(magnitude(value));
      std::ranges::sort(sorted, std::greater<>());
      for (const std::size_t k : {std::size_t{1}, size / 100 + 1, size / 2 + 1, size}) {
        if (k > size) continue;
        CHECK(kth_magnitude(v.x, k, {}, rest) == sorted[k - 1]);
        CHECK(kth_magnitude(v.x, k, {sorted.back(), sorted.front()}, rest) == sorted[k - 1]);
      }
    }
  }
}

TEST_CASE("top selector: exactly the k largest, of equal ones the first") {
  for_each_target([] {
    for (const std::size_t size : {0, 1, 17, 1000, 8191, 8192, 20011}) {
      for (const Vector& v : vectors(size)) {
        CAPTURE(v.content);
        for (const std::size_t k : {std::size_t{0}, std::size_t{1}, std::size_t{2}, size / 100,
                                    size / 10, size / 2, size, size + 5}) {
          TopSelector selector;
          check_selection(selector, v.x, k);
        }
      }
    }
  });
}

TEST_CASE("top selector: a guess from another vector changes nothing but the time") {
  for_each_target([] {
    TopSelector selector;
    std::vector<float> x = heavy(50000, 4);
    for (const float factor : {1.0f, 1e-3f, 1e6f, 0.9f, 1.1f, 0.0f, 1.0f}) {
      CAPTURE(factor);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = heavy(1, i % 7)[0] * factor + 0.5f * x[i];
      check_selection(selector, x, 500);
      check_selection(selector, heavy(30000, 5), 3000);
    }
  });
}

// Everything large lies where the sample does not look, or everything is equal.
TEST_CASE("top selector: a sample that misses falls back to counting") {
  std::vector<float> x(100000, 0.0f);
  for (std::size_t i = 0; i < 400; ++i) x[50000 + i] = static_cast<float>(i + 1);
  TopSelector selector;
  for (const std::size_t k : {1, 10, 399, 400, 401, 1000}) check_selection(selector, x, k);
  std::vector<float> few(100000, 1.0f);
  for (std::size_t i = 0; i < few.size(); i += 1000) few[i] = -2;
  for (const std::size_t k : {50, 100, 101, 5000, 99999}) check_selection(selector, few, k);
}

TEST_CASE("top selector: takes the same where a guess that was close is far off") {
  for_each_target([] {
    const std::vector<float> x = heavy(50000, 4);
    const Indices want = ref::top_indices(x, 500);
    for (const float factor : {0.5f, 0x1p-10f, 0x1p-100f, 2.0f, 0x1p10f}) {
      CAPTURE(factor);
      TopSelector selector;
      for (int call = 0; call < 3; ++call) check_taken(selector, x, want, 500);
      std::vector<float> scaled = x;
      for (float& value : scaled) value *= factor;
      for (int call = 0; call < 3; ++call) check_taken(selector, scaled, want, 500);
      scaled[700] = std::nanf("");
      std::vector<float> e(x.size(), 0.0f);
      CHECK_FALSE(selector.add_and_take(e, scaled, 500).ok());
    }
  });
}

// So long that an error is sampled before the first sweep.
TEST_CASE("top selector: takes the same from a long error, whatever the sample said") {
  const std::size_t size = (std::size_t{4} << 20) + 5;
  std::vector<float> x = heavy(size, 3);
  TopSelector selector;
  for (int call = 0; call < 2; ++call) check_selection(selector, x, size / 100);
  std::ranges::fill(x, 0.0f);
  for (std::size_t i = 0; i < 900; ++i) x[size / 2 + i] = static_cast<float>(i / 4 + 1);
  for (const std::size_t k : {898, 898, 1000}) check_selection(selector, x, k);
  x[7] = std::nanf("");
  std::vector<float> e(size, 0.0f);
  CHECK_FALSE(selector.add_and_take(e, x, 898).ok());
}

TEST_CASE("top selector: all at least a threshold, and the largest of them where they are many") {
  const std::vector<float> x = heavy(30000, 6);
  TopSelector selector;
  std::vector<std::uint32_t> want;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::fabs(x[i]) >= 3) want.push_back(static_cast<std::uint32_t>(i));
  }
  const auto all = selector.select_at_least(x, magnitude(3), 30000);
  REQUIRE(all.ok());
  CHECK(std::ranges::equal(all->indices, want));
  const auto some = selector.select_at_least(x, magnitude(3), 100);
  REQUIRE(some.ok());
  CHECK(std::ranges::equal(some->indices, ref::top_indices(x, 100)));
  const auto none = selector.select_at_least(x, magnitude(1e9f), 100);
  REQUIRE(none.ok());
  CHECK(none->indices.empty());
}

TEST_CASE("top selector: refuses what is not finite and then goes on as before") {
  TopSelector selector;
  const std::vector<float> good = heavy(20000, 1);
  check_selection(selector, good, 200);
  std::vector<float> bad = good;
  bad[12345] = std::nanf("");
  for (int round = 0; round < 2; ++round) {
    const auto refused = selector.select(bad, 200);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message == "found nan at index 12345, expected finite values");
    std::vector<float> e(bad.size(), 0.0f);
    CHECK_FALSE(selector.add_and_select(e, bad, 200).ok());
    std::ranges::fill(e, 0.0f);
    const auto not_taken = selector.add_and_take(e, bad, 200);
    REQUIRE_FALSE(not_taken.ok());
    CHECK(not_taken.error().message == refused.error().message);
    CHECK_FALSE(selector.select_at_least(bad, magnitude(5), 20000).ok());
    CHECK_FALSE(selector.select_at_least(bad, magnitude(5), 10).ok());
    CHECK_FALSE(TopSelector().select(std::span(bad).subspan(12000, 1000), 0).ok());
  }
  check_selection(selector, good, 200);
}
