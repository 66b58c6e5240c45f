// Products of a matrix with a few vectors, in one pass over the matrix: the whole cost of low-rank
// methods. compress::ref holds the plain loops that define every bit of the results; the functions
// here return the same bits on every instruction set (the dot product is defined over 16 lanes that
// are added in a fixed tree, products are rounded before they are added).
//
// X is row-major, rows × columns. A factor of rank r is r vectors one after the other: V and Q hold
// r vectors of `columns` floats, P holds r vectors of `rows` floats. Any alignment. Nothing
// overlaps. Every thread.
#pragma once

#include <cstddef>
#include <span>

namespace starling::compress {

struct MatrixShape {
  std::size_t rows = 0, columns = 0;
  std::size_t size() const { return rows * columns; }
  bool operator==(const MatrixShape&) const = default;
};

// P = X V.
void project(std::span<const float> x, MatrixShape shape, std::span<const float> v,
             std::span<float> p);
// Q = Xᵀ P.
void project_transposed(std::span<const float> x, MatrixShape shape, std::span<const float> p,
                        std::span<float> q);
// P = X V and Q = Xᵀ P, reading X once.
void project_both(std::span<const float> x, MatrixShape shape, std::span<const float> v,
                  std::span<float> p, std::span<float> q);
// X += scale · P Qᵀ; each entry gets (scale · p_i) · q_j, rank after rank.
void add_outer(std::span<float> x, MatrixShape shape, float scale, std::span<const float> p,
               std::span<const float> q);

namespace ref {
void project(std::span<const float> x, MatrixShape shape, std::span<const float> v,
             std::span<float> p);
void project_transposed(std::span<const float> x, MatrixShape shape, std::span<const float> p,
                        std::span<float> q);
void project_both(std::span<const float> x, MatrixShape shape, std::span<const float> v,
                  std::span<float> p, std::span<float> q);
void add_outer(std::span<float> x, MatrixShape shape, float scale, std::span<const float> p,
               std::span<const float> q);
}  // namespace ref

}  // namespace starling::compress
