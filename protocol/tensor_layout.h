// How one flat float32 vector is a model: names, shapes and offsets of its tensors.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace starling {

// A row-major tensor inside the flat vector. Low-rank methods see it as rows × columns with
// rows = shape[0] and columns = the product of the rest.
struct Tensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::size_t offset = 0;  // in floats

  std::size_t size() const;
  std::size_t rows() const { return shape.empty() ? 1 : shape[0]; }
  std::size_t columns() const { return rows() == 0 ? 0 : size() / rows(); }
  // A vector (bias, scale) is no matrix, and neither is a matrix of one row or one column.
  bool is_matrix() const { return shape.size() >= 2 && rows() > 1 && columns() > 1; }
  bool operator==(const Tensor&) const = default;
};

// Tensors follow each other without gaps, in the order in which they were added.
class TensorLayout {
 public:
  void add(std::string name, std::vector<std::size_t> shape);

  const std::vector<Tensor>& tensors() const { return tensors_; }
  std::size_t size() const { return size_; }  // in floats
  // "layer0.weight:128x64 layer0.bias:128 …": what two nodes must have in common.
  std::string describe() const;
  bool operator==(const TensorLayout&) const = default;

 private:
  std::vector<Tensor> tensors_;
  std::size_t size_ = 0;
};

}  // namespace starling
