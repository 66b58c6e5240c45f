#include "protocol/tensor_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <numeric>

namespace starling {

std::size_t Tensor::size() const {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

void TensorLayout::add(std::string name, std::vector<std::size_t> shape) {
  tensors_.push_back({std::move(name), std::move(shape), size_});
  size_ += tensors_.back().size();
}

std::string TensorLayout::describe() const {
  std::string text;
  for (const Tensor& t : tensors_) {
    if (!text.empty()) text += ' ';
    text += fmt::format("{}:{}", t.name, fmt::join(t.shape, "x"));
  }
  return text;
}

}  // namespace starling
