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

// Some rows of the matrix and some vectors of the factors: v and q begin at the first one, p where
// the first row of the first one is.
struct Tile {
  const float* x;
  MatrixShape shape;
  const float* v;
  float* p;
  float* q;
  std::size_t ahead;  // floats from here to the rows after these, or 0
};

// Asks for the second cache for what lies `Lines` times as far behind `begin` as j.
template <std::size_t Lines>
HWY_INLINE void ask_ahead(const float* begin, std::size_t j) {
  for (std::size_t line = 0; line < Lines; ++line) {
    __builtin_prefetch(begin + Lines * j + line * kLanes, 0, 2);
  }
}

// Which of the two products a sweep computes. One asks for all rows ahead, of two each for a half.
enum class Sweep { project, transpose, both };

// p[r] = dot(row r, v).
template <Sweep kSweep, std::size_t Rows, std::size_t Ranks>
void dot_rows(const Tile& t) {
  constexpr std::size_t kLines = kSweep == Sweep::both ? Rows / 2 : Rows;
  const D d;
  const std::size_t n = t.shape.columns;
  const float* HWY_RESTRICT x = t.x;
  const float* HWY_RESTRICT v = t.v;
  V sums[Ranks][Rows][kParts];
  for (auto& rank : sums) {
    for (auto& row : rank) {
      for (V& part : row) part = hn::Zero(d);
    }
  }
  std::size_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    ask_ahead<kLines>(x + t.ahead, j);
    for (std::size_t part = 0; part < kParts; ++part) {
      V entries[Rows];
      for (std::size_t r = 0; r < Rows; ++r) {
        entries[r] = hn::LoadU(d, x + r * n + j + part * kWidth);
      }
      for (std::size_t k = 0; k < Ranks; ++k) {
        const V factor = hn::LoadU(d, v + k * n + j + part * kWidth);
        for (std::size_t r = 0; r < Rows; ++r) {
          sums[k][r][part] = hn::Add(sums[k][r][part], hn::Mul(entries[r], factor));
        }
      }
    }
  }
  for (std::size_t k = 0; k < Ranks; ++k) {
    for (std::size_t r = 0; r < Rows; ++r) {
      std::array<float, kLanes> lanes;
      for (std::size_t part = 0; part < kParts; ++part) {
        hn::StoreU(sums[k][r][part], d, lanes.data() + part * kWidth);
      }
      for (std::size_t rest = j; rest < n; ++rest) {
        lanes[rest - j] += x[r * n + rest] * v[k * n + rest];
      }
      t.p[k * t.shape.rows + r] = add_lanes(lanes);
    }
  }
}

// q += Σ_r p[r] · row r, added in row order.
template <Sweep kSweep, std::size_t Rows, std::size_t Ranks>
void add_rows(const Tile& t) {
  constexpr std::size_t kBehind = kSweep == Sweep::both ? Rows / 2 : 0, kLines = Rows - kBehind;
  const D d;
  const std::size_t n = t.shape.columns;
  const float* HWY_RESTRICT x = t.x;
  float* HWY_RESTRICT q = t.q;
  V factors[Ranks][Rows];
  for (std::size_t k = 0; k < Ranks; ++k) {
    for (std::size_t r = 0; r < Rows; ++r) {
      factors[k][r] = hn::Set(d, t.p[k * t.shape.rows + r]);
    }
  }
  std::size_t j = 0;
  for (; j + kWidth <= n; j += kWidth) {
    if (kParts == 1 || j % kLanes == 0) ask_ahead<kLines>(x + t.ahead + kBehind * n, j);
    V entries[Rows];
    for (std::size_t r = 0; r < Rows; ++r) {
      entries[r] = hn::LoadU(d, x + r * n + j);
    }
    for (std::size_t k = 0; k < Ranks; ++k) {
      V sum = hn::LoadU(d, q + k * n + j);
      for (std::size_t r = 0; r < Rows; ++r) {
        sum = hn::Add(sum, hn::Mul(factors[k][r], entries[r]));
      }
      hn::StoreU(sum, d, q + k * n + j);
    }
  }
  for (std::size_t k = 0; k < Ranks; ++k) {
    for (std::size_t rest = j; rest < n; ++rest) {
      for (std::size_t r = 0; r < Rows; ++r) {
        q[k * n + rest] += t.p[k * t.shape.rows + r] * x[r * n + rest];
      }
    }
  }
}

// Some vectors of the factors, for the rows of the tile.
template <Sweep kSweep, std::size_t Rows, std::size_t Ranks>
void sweep_ranks(const Tile& rows, std::size_t k) {
  Tile t = rows;
  t.p += k * t.shape.rows;
  if constexpr (kSweep != Sweep::transpose) {
    t.v += k * t.shape.columns;
    dot_rows<kSweep, Rows, Ranks>(t);
  }
  if constexpr (kSweep != Sweep::project) {
    t.q += k * t.shape.columns;
    add_rows<kSweep, Rows, Ranks>(t);
  }
}

template <Sweep kSweep, std::size_t Rows>
void sweep_rows(const Tile& rows, std::size_t rank) {
  std::size_t k = 0;
  if constexpr (kParts == 1 && Rows > 1) {  // as many sums as there are registers for
    for (; k + 4 <= rank; k += 4) sweep_ranks<kSweep, Rows, 4>(rows, k);
    for (; k + 2 <= rank; k += 2) sweep_ranks<kSweep, Rows, 2>(rows, k);
  }
  for (; k < rank; ++k) sweep_ranks<kSweep, Rows, 1>(rows, k);
}

template <Sweep kSweep>
void sweep(Tile t, std::size_t rank) {
  const auto [rows, columns] = t.shape;
  if (kSweep != Sweep::project) std::fill(t.q, t.q + rank * columns, 0.0f);
  std::size_t row = 0;
  for (; row + kRowsAtOnce <= rows; row += kRowsAtOnce) {
    t.ahead = row + 2 * kRowsAtOnce <= rows ? kRowsAtOnce * columns : 0;
    sweep_rows<kSweep, kRowsAtOnce>(t, rank);
    t.x += kRowsAtOnce * columns;
    t.p += kRowsAtOnce;
  }
  for (; row < rows; ++row) {
    t.ahead = 0;
    sweep_rows<kSweep, 1>(t, rank);
    t.x += columns;
    ++t.p;
  }
}

void Project(const float* x, MatrixShape shape, std::size_t rank, const float* v, float* p) {
  sweep<Sweep::project>({x, shape, v, p, nullptr, 0}, rank);
}

void ProjectTransposed(const float* x, MatrixShape shape, std::size_t rank, const float* p,
                       float* q) {
  // The sweep writes p only where it computes it, which it does not here.
  sweep<Sweep::transpose>({x, shape, nullptr, const_cast<float*>(p), q, 0}, rank);
}

void ProjectBoth(const float* x, MatrixShape shape, std::size_t rank, const float* v, float* p,
                 float* q) {
  sweep<Sweep::both>({x, shape, v, p, q, 0}, rank);
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
