#include "protocol/tensor_layout.h"

#include <doctest/doctest.h>

using namespace starling;

TEST_CASE("tensors follow each other without gaps") {
  TensorLayout layout;
  CHECK(layout.size() == 0);
  CHECK(layout.describe().empty());
  layout.add("layer0.weight", {128, 64});
  layout.add("layer0.bias", {128});
  layout.add("scale", {});
  REQUIRE(layout.tensors().size() == 3);
  CHECK(layout.tensors()[0].offset == 0);
  CHECK(layout.tensors()[1].offset == 128 * 64);
  CHECK(layout.tensors()[2].offset == 128 * 64 + 128);
  CHECK(layout.size() == 128 * 64 + 128 + 1);
  CHECK(layout.describe() == "layer0.weight:128x64 layer0.bias:128 scale:");
}

TEST_CASE("a tensor as a matrix: the first dimension by the others") {
  const Tensor kernel{"conv", {32, 3, 5, 5}, 0};
  CHECK(kernel.size() == 2400);
  CHECK(kernel.rows() == 32);
  CHECK(kernel.columns() == 75);
  CHECK(kernel.is_matrix());
  const auto is_matrix = [](std::vector<std::size_t> shape) {
    return Tensor{"t", std::move(shape), 0}.is_matrix();
  };
  CHECK_FALSE(is_matrix({}));
  CHECK_FALSE(is_matrix({10}));
  CHECK_FALSE(is_matrix({1, 10}));
  CHECK_FALSE(is_matrix({10, 1}));
  CHECK_FALSE(is_matrix({10, 1, 1}));
  CHECK_FALSE(is_matrix({0, 10}));
  CHECK(is_matrix({2, 2}));
}

TEST_CASE("layouts are equal when names, shapes and order are") {
  TensorLayout a, b;
  a.add("x", {2, 3});
  b.add("x", {3, 2});
  CHECK_FALSE(a == b);
  CHECK(a == TensorLayout(a));
}
