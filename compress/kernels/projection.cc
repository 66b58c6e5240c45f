// Compiled once for every instruction set that Highway knows here; the best one is chosen at run
// time. Each function computes what its twin in projection_ref.cc defines, bit for bit.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/projection.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <array>

#include "compress/kernels/projection.h"
#include "protocol/check.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kLanes = 16;      // of the dot product's definition
constexpr std::size_t kRowsAtOnce = 4;  // enough independent sums to hide the adder's latency
using D = hn::CappedTag<float, kLanes>;
using V = hn::Vec<D>;
constexpr std::size_t kWidth = hn::MaxLanes(D());
constexpr std::size_t kParts = kLanes / kWidth;

float add_lanes(std::array<float, kLanes>& lanes) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

// p[r] = dot(row r, v) for Rows consecutive rows.
template <std::size_t Rows>
void dot_rows(const float* HWY_RESTRICT x, std::size_t n, const float* HWY_RESTRICT v,
              float* HWY_RESTRICT p) {
  const D d;
  V sums[Rows][kParts];
  for (auto& row : sums) {
    for (V& part : row) part = hn::Zero(d);
  }
  std::size_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    for (std::size_t part = 0; part < kParts; ++part) {
      const V factor = hn::LoadU(d, v + j + part * kWidth);
      for (std::size_t r = 0; r < Rows; ++r) {
        const V entries = hn::LoadU(d, x + r * n + j + part * kWidth);
        sums[r][part] = hn::Add(sums[r][part], hn::Mul(entries, factor));
      }
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    std::array<float, kLanes> lanes;
    for (std::size_t part = 0; part < kParts; ++part) {
      hn::StoreU(sums[r][part], d, lanes.data() + part * kWidth);
    }
    for (std::size_t rest = j; rest < n; ++rest) lanes[rest - j] += x[r * n + rest] * v[rest];
    p[r] = add_lanes(lanes);
  }
}

// q += Σ_r p[r] · row r, for Rows consecutive rows, added in row order.
template <std::size_t Rows>
void add_rows(const float* HWY_RESTRICT x, std::size_t n, const float* HWY_RESTRICT p,
              float* HWY_RESTRICT q) {
  const D d;
  std::size_t j = 0;
  for (; j + kWidth <= n; j += kWidth) {
    V sum = hn::LoadU(d, q + j);
    for (std::size_t r = 0; r < Rows; ++r) {
      sum = hn::Add(sum, hn::Mul(hn::Set(d, p[r]), hn::LoadU(d, x + r * n + j)));
    }
    hn::StoreU(sum, d, q + j);
  }
  for (; j < n; ++j) {
    for (std::size_t r = 0; r < Rows; ++r) q[j] += p[r] * x[r * n + j];
  }
}

// Which of the two products a sweep computes.
enum class Sweep { project, transpose, both };

template <Sweep kSweep, std::size_t Rows>
void sweep_rows(const float* x, MatrixShape shape, std::size_t row, std::size_t rank,
                const float* v, float* p, float* q) {
  const float* rows = x + row * shape.columns;
  for (std::size_t k = 0; k < rank; ++k) {
    float* pk = p + k * shape.rows + row;
    if constexpr (kSweep != Sweep::transpose) {
      dot_rows<Rows>(rows, shape.columns, v + k * shape.columns, pk);
    }
    if constexpr (kSweep != Sweep::project) {
      add_rows<Rows>(rows, shape.columns, pk, q + k * shape.columns);
    }
  }
}

template <Sweep kSweep>
void sweep(const float* x, MatrixShape shape, std::size_t rank, const float* v, float* p,
           float* q) {
  if (kSweep != Sweep::project) std::fill(q, q + rank * shape.columns, 0.0f);
  std::size_t row = 0;
  for (; row + kRowsAtOnce <= shape.rows; row += kRowsAtOnce) {
    sweep_rows<kSweep, kRowsAtOnce>(x, shape, row, rank, v, p, q);
  }
  for (; row < shape.rows; ++row) sweep_rows<kSweep, 1>(x, shape, row, rank, v, p, q);
}

void Project(const float* x, MatrixShape shape, std::size_t rank, const float* v, float* p) {
  sweep<Sweep::project>(x, shape, rank, v, p, nullptr);
}

void ProjectTransposed(const float* x, MatrixShape shape, std::size_t rank, const float* p,
                       float* q) {
  // The sweep writes p only where it computes it, which it does not here.
  sweep<Sweep::transpose>(x, shape, rank, nullptr, const_cast<float*>(p), q);
}

void ProjectBoth(const float* x, MatrixShape shape, std::size_t rank, const float* v, float* p,
                 float* q) {
  sweep<Sweep::both>(x, shape, rank, v, p, q);
}

void AddOuter(float* HWY_RESTRICT x, MatrixShape shape, std::size_t rank, float scale,
              const float* HWY_RESTRICT p, const float* HWY_RESTRICT q) {
  for (std::size_t i = 0; i < shape.rows; ++i) {
    for (std::size_t k = 0; k < rank; ++k) {
      const float factor = scale * p[k * shape.rows + i];
      const D d;
      const V factors = hn::Set(d, factor);
      const float* HWY_RESTRICT from = q + k * shape.columns;
      float* HWY_RESTRICT to = x + i * shape.columns;
      std::size_t j = 0;
      for (; j + kWidth <= shape.columns; j += kWidth) {
        const V sum = hn::Add(hn::LoadU(d, to + j), hn::Mul(factors, hn::LoadU(d, from + j)));
        hn::StoreU(sum, d, to + j);
      }
      for (; j < shape.columns; ++j) to[j] += factor * from[j];
    }
  }
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(Project);
HWY_EXPORT(ProjectTransposed);
HWY_EXPORT(ProjectBoth);
HWY_EXPORT(AddOuter);

namespace {

// The rank that a factor of `floats` floats has, after checking the sizes of all that go with it.
std::size_t checked_rank(std::size_t x, MatrixShape shape, std::size_t p, std::size_t q) {
  INVARIANT(x == shape.size() && shape.rows > 0 && shape.columns > 0);
  INVARIANT(p % shape.rows == 0 && q == p / shape.rows * shape.columns);
  return p / shape.rows;
}

}  // namespace

void project(std::span<const float> x, MatrixShape shape, std::span<const float> v,
             std::span<float> p) {
  const std::size_t rank = checked_rank(x.size(), shape, p.size(), v.size());
  HWY_DYNAMIC_DISPATCH(Project)(x.data(), shape, rank, v.data(), p.data());
}

void project_transposed(std::span<const float> x, MatrixShape shape, std::span<const float> p,
                        std::span<float> q) {
  const std::size_t rank = checked_rank(x.size(), shape, p.size(), q.size());
  HWY_DYNAMIC_DISPATCH(ProjectTransposed)(x.data(), shape, rank, p.data(), q.data());
}

void project_both(std::span<const float> x, MatrixShape shape, std::span<const float> v,
                  std::span<float> p, std::span<float> q) {
  const std::size_t rank = checked_rank(x.size(), shape, p.size(), q.size());
  INVARIANT(v.size() == q.size());
  HWY_DYNAMIC_DISPATCH(ProjectBoth)(x.data(), shape, rank, v.data(), p.data(), q.data());
}

void add_outer(std::span<float> x, MatrixShape shape, float scale, std::span<const float> p,
               std::span<const float> q) {
  const std::size_t rank = checked_rank(x.size(), shape, p.size(), q.size());
  HWY_DYNAMIC_DISPATCH(AddOuter)(x.data(), shape, rank, scale, p.data(), q.data());
}

}  // namespace starling::compress
#endif  // HWY_ONCE
