#include "train/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace starling;
using namespace starling::train;

namespace {

// A matrix of one entry and a vector of one: decay meets the first only.
TensorLayout layout() {
  TensorLayout layout;
  layout.add("weight", {1, 1});
  layout.add("bias", {1});
  return layout;
}

struct Updates {
  float weight, bias;
};

Updates apply(Optimizer& optimizer, double rate, std::vector<float> x, float gradient) {
  std::vector<float> g{gradient, gradient};
  optimizer.apply(rate, x, g);
  return {g[0], g[1]};
}

}  // namespace

TEST_CASE("optimizer: plain sgd is the rate times the gradient") {
  const TensorLayout model = layout();
  Optimizer sgd({}, model);
  CHECK(apply(sgd, 0.5, {9, 9}, 3).weight == 1.5F);
  CHECK(apply(sgd, 0.25, {9, 9}, 2).bias == 0.5F);
}

TEST_CASE("optimizer: momentum sums the gradients as PyTorch does") {
  const TensorLayout model = layout();
  TrainOptions options;
  options.momentum = 0.5;
  Optimizer sgd(options, model);
  // v = 1, then 0.5·1 + 2 = 2.5, then 0.5·2.5 + 0 = 1.25
  CHECK(apply(sgd, 0.5, {0, 0}, 1).weight == 0.5F);
  CHECK(apply(sgd, 0.5, {0, 0}, 2).weight == 1.25F);
  CHECK(apply(sgd, 1, {0, 0}, 0).weight == 1.25F);
}

TEST_CASE("optimizer: nesterov looks one step ahead") {
  const TensorLayout model = layout();
  TrainOptions options;
  options.momentum = 0.5;
  options.nesterov = true;
  Optimizer sgd(options, model);
  // v = 1: 1 + 0.5·1; v = 2.5: 2 + 0.5·2.5
  CHECK(apply(sgd, 1, {0, 0}, 1).weight == 1.5F);
  CHECK(apply(sgd, 1, {0, 0}, 2).weight == 3.25F);
}

TEST_CASE("optimizer: sgd's decay enters the gradient, and biases are spared") {
  const TensorLayout model = layout();
  TrainOptions options;
  options.weight_decay = 0.25;
  Optimizer plain(options, model);
  const Updates once = apply(plain, 0.5, {8, 8}, 1);
  CHECK(once.weight == 1.5F);
  CHECK(once.bias == 0.5F);
  options.momentum = 0.5;
  Optimizer heavy(options, model);
  apply(heavy, 1, {8, 8}, 1);                        // v = 3 and 1
  CHECK(apply(heavy, 1, {8, 8}, 1).weight == 4.5F);  // 1.5 + 3
}

TEST_CASE("optimizer: adam's first step is the rate, whatever the gradient's size") {
  const TensorLayout model = layout();
  TrainOptions options;
  options.optimizer = OptimizerKind::adam;
  for (const float gradient : {1e-3F, 1.0F, 1e3F}) {
    Optimizer adam(options, model);
    CHECK(apply(adam, 0.01, {0, 0}, gradient).weight == doctest::Approx(0.01).epsilon(1e-4));
  }
}

TEST_CASE("optimizer: adam follows its recurrence with bias correction") {
  const TensorLayout model = layout();
  TrainOptions options;
  options.optimizer = OptimizerKind::adam;
  Optimizer adam(options, model);
  double m = 0, v = 0;
  int t = 0;
  for (const double g : {0.5, -2.0, 0.25, 0.0, 1.0}) {
    ++t;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const double expected =
        0.01 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
    CHECK(apply(adam, 0.01, {0, 0}, static_cast<float>(g)).bias ==
          doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("optimizer: adam's decay is decoupled, and biases are spared") {
  const TensorLayout model = layout();
  TrainOptions options;
  options.optimizer = OptimizerKind::adam;
  options.weight_decay = 0.5;
  Optimizer adam(options, model);
  const Updates still = apply(adam, 0.1, {4, 4}, 0);
  CHECK(still.weight == doctest::Approx(0.2));
  CHECK(still.bias == 0);
}
