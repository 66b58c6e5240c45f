#include "train/network.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "protocol/random.h"

using namespace starling;
using namespace starling::train;

namespace {

constexpr std::size_t kRows = 9;
// Of a difference quotient: a few float roundings of a loss near 1, over a step of 2e-3.
constexpr double kErrorMax = 5e-4;

// Data and a model on whose ReLUs no difference quotient meets a corner.
struct Fixture {
  Fixture(std::vector<std::size_t> widths, Loss loss, double l2)
      : network(widths, loss, l2), model(network.layout().size()), x(kRows * widths.front()) {
    network.initialize(4, model);
    Random(4, Stream::test).fill_normal(x);
    const std::size_t classes = loss == Loss::log_loss ? 2 : widths.back();
    const Random labels(5, Stream::test);
    for (std::size_t i = 0; i < kRows; ++i) {
      y.push_back(static_cast<std::uint32_t>(labels.below(i, classes)));
    }
  }
  Batch batch() const { return {x, y}; }

  Network network;
  std::vector<float> model, x;
  std::vector<std::uint32_t> y;
};

// The largest difference between the gradient and central differences of the loss.
double gradient_error(Fixture& f) {
  std::vector<float> gradient(f.model.size()), unused(f.model.size());
  f.network.gradient(f.model, f.batch(), gradient);
  constexpr float kStep = 1e-3F;
  double worst = 0;
  for (std::size_t i = 0; i < f.model.size(); ++i) {
    std::vector<float> up = f.model, down = f.model;
    up[i] += kStep;
    down[i] -= kStep;
    const double slope =
        (f.network.gradient(up, f.batch(), unused) - f.network.gradient(down, f.batch(), unused)) /
        (static_cast<double>(up[i]) - down[i]);
    worst = std::max(worst, std::abs(slope - gradient[i]));
  }
  return worst;
}

}  // namespace

TEST_CASE("network: the gradient agrees with finite differences, for every model") {
  for (const double l2 : {0.0, 0.3}) {
    CAPTURE(l2);
    Fixture softmax({7, 4}, Loss::cross_entropy, l2);
    CHECK(gradient_error(softmax) < kErrorMax);
    Fixture logistic({7, 1}, Loss::log_loss, l2);
    CHECK(gradient_error(logistic) < kErrorMax);
    Fixture mlp({7, 6, 5, 3}, Loss::cross_entropy, l2);
    CHECK(gradient_error(mlp) < kErrorMax);
  }
}

TEST_CASE("network: layout and start follow PyTorch's Linear") {
  const Network network({64, 32, 10}, Loss::cross_entropy, 0);
  CHECK(network.layout().describe() ==
        "layer0.weight:32x64 layer0.bias:32 layer1.weight:10x32 layer1.bias:10");
  std::vector<float> x(network.layout().size());
  network.initialize(1, x);
  const auto [least, most] = std::minmax_element(x.begin(), x.begin() + 32 * 65);
  CHECK(*least >= -0.125F);
  CHECK(*least < -0.12F);
  CHECK(*most <= 0.125F);
  CHECK(*most > 0.12F);
  CHECK(std::abs(x.back()) <= 1 / std::sqrt(32.0F));
}

TEST_CASE("network: the start depends on the seed alone") {
  const Network network({8, 3}, Loss::cross_entropy, 0);
  std::vector<float> a(network.layout().size()), b(a), c(a);
  network.initialize(1, a);
  network.initialize(1, b);
  network.initialize(2, c);
  CHECK(a == b);
  CHECK(a != c);
}

TEST_CASE("network: weights are outputs by inputs, row by row") {
  // Two features, three classes; the logits of the row (1, 10) are 21+100, 43+200, 65+300.
  Network network({2, 3}, Loss::cross_entropy, 0);
  const std::vector<float> model{1, 2, 3, 4, 5, 6, 100, 200, 300};
  const std::vector<float> x{1, 10};
  const std::vector<std::uint32_t> right{2}, wrong{1};
  CHECK(network.score(model, {x, right}).correct == 1);
  CHECK(network.score(model, {x, wrong}).correct == 0);
  CHECK(network.score(model, {x, wrong}).loss == doctest::Approx(122));
}

TEST_CASE("network: losses stay finite where exp overflows") {
  Network softmax({1, 2}, Loss::cross_entropy, 0);
  Network logistic({1, 1}, Loss::log_loss, 0);
  const std::vector<float> x{1000};
  for (const std::uint32_t label : {0U, 1U}) {
    const std::vector<std::uint32_t> y{label};
    std::vector<float> g4(4), g2(2);
    CHECK(softmax.gradient(std::vector<float>{1, -1, 0, 0}, {x, y}, g4) ==
          doctest::Approx(label * 2000.0));
    CHECK(logistic.gradient(std::vector<float>{-1, 0}, {x, y}, g2) ==
          doctest::Approx(label * 1000.0));
    CHECK(logistic.gradient(std::vector<float>{1, 0}, {x, y}, g2) ==
          doctest::Approx((1 - label) * 1000.0));
    CHECK(std::isfinite(g2[0]));
  }
}

TEST_CASE("network: a NaN in the model reaches the loss through the ReLU") {
  Fixture f({7, 6, 3}, Loss::cross_entropy, 0);
  f.model[0] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> gradient(f.model.size());
  CHECK(std::isnan(f.network.gradient(f.model, f.batch(), gradient)));
  CHECK(std::isnan(f.network.score(f.model, f.batch()).loss));
}

TEST_CASE("network: the bits do not depend on where the memory lies") {
  for (const std::size_t rows : {std::size_t{1}, kRows}) {
    for (const auto& widths : {std::vector<std::size_t>{37, 33, 3}, {37, 1}}) {
      Fixture f(widths, widths.back() == 1 ? Loss::log_loss : Loss::cross_entropy, 0.1);
      const auto gradient_at = [&](std::size_t shift) {
        std::vector<float> model(shift), x(shift / 4), gradient(shift / 2 + f.model.size());
        model.insert(model.end(), f.model.begin(), f.model.end());
        x.insert(x.end(), f.x.begin(), f.x.end());
        const Batch batch{std::span(x).subspan(shift / 4, rows * 37), std::span(f.y).first(rows)};
        f.network.gradient(std::span(model).subspan(shift), batch,
                           std::span(gradient).subspan(shift / 2));
        return std::vector<float>(gradient.begin() + static_cast<std::ptrdiff_t>(shift / 2),
                                  gradient.end());
      };
      const std::vector<float> expected = gradient_at(0);
      for (std::size_t shift = 1; shift < 64; ++shift) CHECK(gradient_at(shift) == expected);
    }
  }
}

TEST_CASE("network: a smaller batch after a larger one gives what it gives alone") {
  Fixture f({7, 6, 3}, Loss::cross_entropy, 0);
  const Batch one{std::span(f.x).first(7), std::span(f.y).first(1)};
  std::vector<float> alone(f.model.size()), after(f.model.size());
  const double loss = Network({7, 6, 3}, Loss::cross_entropy, 0).gradient(f.model, one, alone);
  f.network.gradient(f.model, f.batch(), after);
  CHECK(f.network.gradient(f.model, one, after) == loss);
  CHECK(alone == after);
}
