#include "compress/kernels/projection.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "guarded.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

struct Case {
  MatrixShape shape;
  std::size_t rank, shift;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t rows : {1, 3, 4, 5, 9}) {
    for (const std::size_t columns : {1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200}) {
      for (const std::size_t rank : {1, 2, 3, 4, 5}) {
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
  GuardedFloats x = guarded_normals(c.shape.size(), c.shift, 1);
  GuardedFloats v = guarded_normals(right, c.shift, 2), pin = guarded_normals(left, c.shift, 3);
  GuardedFloats p = guarded_normals(left, c.shift, 4), p_ref = p;
  GuardedFloats q = guarded_normals(right, c.shift, 5), q_ref = q;

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
  GuardedFloats y = x, y_ref = x;
  add_outer(y.span(), c.shape, 0.3f, p.span(), q.span());
  ref::add_outer(y_ref.span(), c.shape, 0.3f, p.span(), q.span());
  CHECK(y == y_ref);
  for (const GuardedFloats* g : {&x, &v, &pin, &p, &q, &y}) CHECK(g->untouched());
}

}  // namespace

TEST_CASE("projection: every instruction set computes the bits of the plain loops") {
  for_each_target([] {
    for (const Case& c : cases()) check_all_kernels(c);
  });
}

TEST_CASE("projection: the plain loops are the products, up to rounding") {
  constexpr MatrixShape kShape{6, 50};
  GuardedFloats x = guarded_normals(300, 0, 1), v = guarded_normals(50, 0, 2);
  GuardedFloats p(6, 0), q(50, 0);
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
