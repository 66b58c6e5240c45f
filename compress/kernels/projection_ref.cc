#include <algorithm>
#include <array>

#include "compress/kernels/projection.h"

namespace starling::compress::ref {
namespace {

constexpr std::size_t kLanes = 16;

float dot(const float* x, const float* v, std::size_t n) {
  std::array<float, kLanes> lanes{};
  for (std::size_t j = 0; j < n; ++j) lanes[j % kLanes] += x[j] * v[j];
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

std::size_t rank_of(std::size_t floats, std::size_t length) { return floats / length; }

}  // namespace

void project(std::span<const float> x, MatrixShape shape, std::span<const float> v,
             std::span<float> p) {
  for (std::size_t k = 0; k < rank_of(p.size(), shape.rows); ++k) {
    for (std::size_t i = 0; i < shape.rows; ++i) {
      p[k * shape.rows + i] = dot(&x[i * shape.columns], &v[k * shape.columns], shape.columns);
    }
  }
}

void project_transposed(std::span<const float> x, MatrixShape shape, std::span<const float> p,
                        std::span<float> q) {
  std::fill(q.begin(), q.end(), 0.0f);
  for (std::size_t k = 0; k < rank_of(p.size(), shape.rows); ++k) {
    for (std::size_t i = 0; i < shape.rows; ++i) {
      for (std::size_t j = 0; j < shape.columns; ++j) {
        q[k * shape.columns + j] += p[k * shape.rows + i] * x[i * shape.columns + j];
      }
    }
  }
}

void project_both(std::span<const float> x, MatrixShape shape, std::span<const float> v,
                  std::span<float> p, std::span<float> q) {
  ref::project(x, shape, v, p);
  ref::project_transposed(x, shape, p, q);
}

void add_outer(std::span<float> x, MatrixShape shape, float scale, std::span<const float> p,
               std::span<const float> q) {
  for (std::size_t k = 0; k < rank_of(p.size(), shape.rows); ++k) {
    for (std::size_t i = 0; i < shape.rows; ++i) {
      const float factor = scale * p[k * shape.rows + i];
      for (std::size_t j = 0; j < shape.columns; ++j) {
        x[i * shape.columns + j] += factor * q[k * shape.columns + j];
      }
    }
  }
}

}  // namespace starling::compress::ref
