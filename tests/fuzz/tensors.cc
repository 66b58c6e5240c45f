#include "compress/tensors.h"

#include "compress/low_rank.h"
#include "compress/quantize.h"
#include "compress/sign.h"
#include "compress/top_k.h"
#include "decoder.h"

namespace starling::fuzz {
namespace {

using namespace compress;

TensorLayout two_matrices() {
  TensorLayout layout;
  layout.add("a", {12, 10});
  layout.add("a.bias", {12});
  layout.add("b", {9, 12});
  layout.add("b.bias", {5});
  return layout;
}

TensorLayout vectors() {
  TensorLayout layout;
  for (const std::size_t size : {60, 0, 3, 70}) layout.add("v", {size});
  return layout;
}

TensorLayout short_ones() {
  TensorLayout layout;
  layout.add("a", {2, 2});
  layout.add("b", {1});
  return layout;
}

Case of(const TensorLayout& layout, const Tensors::MakePart& make) {
  return {layout.size(), [layout, make] { return std::make_unique<Tensors>(layout, make); }};
}

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const TensorLayout& layout : {two_matrices(), vectors(), short_ones()}) {
    all.push_back(of(
        layout, [](const Tensor&, std::size_t) { return std::make_unique<Sign>(Norm::l1, 64); }));
    all.push_back(of(layout, [](const Tensor&, std::size_t) {
      return std::make_unique<TopK>(0.1, SparseCoder(ValueFormat::bfloat16));
    }));
    all.push_back(of(layout, [](const Tensor&, std::size_t) {
      return std::make_unique<Quantize>(QuantizeParams{.bucket = 128});
    }));
    all.push_back(of(layout, [](const Tensor& t, std::size_t number) {
      return t.is_matrix()
                 ? std::make_unique<LowRank>(MatrixShape{t.rows(), t.columns()}, 2, number)
                 : nullptr;
    }));
  }
  return all;
}

}  // namespace starling::fuzz
