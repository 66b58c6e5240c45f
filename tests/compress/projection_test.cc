#include "compress/projection.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <hwy/targets.h>

#include "protocol/random.h"

using namespace starling;
using namespace starling::compress;

namespace {

// `size` random floats that start `shift` floats behind an aligned address, between guards.
class Guarded {
 public:
  Guarded(std::size_t size, std::size_t shift, std::uint64_t key)
      : storage_(size + shift + 2 * kGuard, kSentinel), begin_(kGuard + shift), size_(size) {
    Random(11, Stream::test, {key}).fill_normal(span());
  }
  std::span<float> span() { return std::span(storage_).subspan(begin_, size_); }
  bool untouched() const {
    for (std::size_t i = 0; i < storage_.size(); ++i) {
      if ((i < begin_ || i >= begin_ + size_) && storage_[i] != kSentinel) return false;
    }
    return true;
  }
  bool operator==(const Guarded& other) const { return storage_ == other.storage_; }

 private:
  static constexpr std::size_t kGuard = 16;
  static constexpr float kSentinel = 12345.0f;
  std::vector<float> storage_;
  std::size_t begin_, size_;
};

struct Case {
  MatrixShape shape;
  std::size_t rank, shift;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t rows : {1, 3, 4, 5, 9}) {
    for (const std::size_t columns : {1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200}) {
      for (const std::size_t rank : {1, 2, 3}) {
        for (const std::size_t shift : {0, 1, 3}) all.push_back({{rows, columns}, rank, shift});
      }
    }
  }
  return all;
}

void check_all_kernels(const Case& c) {
  CAPTURE(c.shape.rows);
  CAPTURE(c.shape.columns);
  CAPTURE(c.rank);
  CAPTURE(c.shift);
  const std::size_t left = c.rank * c.shape.rows, right = c.rank * c.shape.columns;
  Guarded x(c.shape.size(), c.shift, 1), v(right, c.shift, 2), pin(left, c.shift, 3);
  Guarded p(left, c.shift, 4), p_ref = p, q(right, c.shift, 5), q_ref = q;

  project(x.span(), c.shape, v.span(), p.span());
  ref::project(x.span(), c.shape, v.span(), p_ref.span());
  CHECK(p == p_ref);
  project_transposed(x.span(), c.shape, pin.span(), q.span());
  ref::project_transposed(x.span(), c.shape, pin.span(), q_ref.span());
  CHECK(q == q_ref);
  project_both(x.span(), c.shape, v.span(), p.span(), q.span());
  ref::project_both(x.span(), c.shape, v.span(), p_ref.span(), q_ref.span());
  CHECK(p == p_ref);
  CHECK(q == q_ref);
  Guarded y = x, y_ref = x;
  add_outer(y.span(), c.shape, 0.3f, p.span(), q.span());
  ref::add_outer(y_ref.span(), c.shape, 0.3f, p.span(), q.span());
  CHECK(y == y_ref);
  for (const Guarded* g : {&x, &v, &pin, &p, &q, &y}) CHECK(g->untouched());
}

}  // namespace

TEST_CASE("projection: every instruction set computes the bits of the plain loops") {
  std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  REQUIRE_FALSE(targets.empty());
  for (const std::int64_t target : targets) {
    CAPTURE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    for (const Case& c : cases()) check_all_kernels(c);
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST_CASE("projection: the plain loops are the products, up to rounding") {
  constexpr MatrixShape kShape{6, 50};
  Guarded x(300, 0, 1), v(50, 0, 2), p(6, 0, 3), q(50, 0, 4);
  ref::project_both(x.span(), kShape, v.span(), p.span(), q.span());
  for (std::size_t i = 0; i < 6; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < 50; ++j) sum += double{x.span()[i * 50 + j]} * v.span()[j];
    CHECK(p.span()[i] == doctest::Approx(sum).epsilon(1e-5));
  }
  for (std::size_t j = 0; j < 50; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < 6; ++i) sum += double{x.span()[i * 50 + j]} * p.span()[i];
    CHECK(std::abs(q.span()[j] - sum) < 1e-4);
  }
}
