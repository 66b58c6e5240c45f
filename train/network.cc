#include "train/network.h"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "protocol/check.h"
#include "protocol/random.h"

namespace starling::train {
namespace {

// Weights are row-major, outputs × inputs. Activations are values × rows with a row's values side
// by side, which is the same memory as the data set's rows: nothing is transposed or copied.
using Weights =
    Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
using WeightGradient =
    Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
using Values = Eigen::Map<const Eigen::MatrixXf>;
using MutableValues = Eigen::Map<Eigen::MatrixXf>;
using Bias = Eigen::Map<const Eigen::VectorXf>;
using BiasGradient = Eigen::Map<Eigen::VectorXf>;

Eigen::Index index(std::size_t n) { return static_cast<Eigen::Index>(n); }

// NaN is kept, so that a diverged model is seen.
void relu(std::span<float> values) {
  for (float& v : values) v = v < 0 ? 0 : v;
}

// Through the ReLU backwards: no slope where it was closed.
void mask(std::span<const float> outputs, std::span<float> delta) {
  for (std::size_t i = 0; i < delta.size(); ++i) delta[i] = outputs[i] > 0 ? delta[i] : 0;
}

// Row after row. Eigen's rowwise().sum() adds in an order that depends on the address of `sum`.
void sum_rows(const Values& delta, BiasGradient sum) {
  sum.setZero();
  for (Eigen::Index row = 0; row < delta.cols(); ++row) sum += delta.col(row);
}

double softmax_loss(std::span<float> logits, std::uint32_t label, bool& correct, float slope) {
  const auto largest = std::max_element(logits.begin(), logits.end());
  correct = static_cast<std::size_t>(largest - logits.begin()) == label;
  const float top = *largest;
  const float shifted = logits[label] - top;
  float sum = 0;
  for (float& z : logits) sum += z = std::exp(z - top);
  if (slope != 0) {
    for (float& z : logits) z *= slope / sum;
    logits[label] -= slope;
  }
  return std::log(static_cast<double>(sum)) - shifted;
}

double logistic_loss(float& logit, std::uint32_t label, bool& correct, float slope) {
  const double z = logit;
  const auto target = static_cast<double>(label);
  correct = (z > 0) == (label == 1);
  const double tail = std::exp(-std::abs(z));  // never overflows
  const double probability = (z >= 0 ? 1 : tail) / (1 + tail);
  if (slope != 0) logit = slope * static_cast<float>(probability - target);
  return std::max(z, 0.0) - z * target + std::log1p(tail);
}

}  // namespace

Network::Network(std::vector<std::size_t> widths, Loss loss, double l2)
    : widths_(std::move(widths)), loss_(loss), l2_(l2), outputs_(widths_.size() - 1) {
  INVARIANT(widths_.size() >= 2 && (loss_ != Loss::log_loss || widths_.back() == 1));
  for (std::size_t l = 0; l < layers(); ++l) {
    layout_.add(fmt::format("layer{}.weight", l), {widths_[l + 1], widths_[l]});
    layout_.add(fmt::format("layer{}.bias", l), {widths_[l + 1]});
  }
}

void Network::initialize(std::uint64_t seed, std::span<float> x) const {
  INVARIANT(x.size() == layout_.size());
  for (std::size_t t = 0; t < layout_.tensors().size(); ++t) {
    const Tensor& tensor = layout_.tensors()[t];
    const Random random(seed, Stream::initial_model, {t});
    const double bound = 1 / std::sqrt(static_cast<double>(widths_[t / 2]));
    for (std::size_t i = 0; i < tensor.size(); ++i) {
      x[tensor.offset + i] = static_cast<float>((2 * random.uniform(i) - 1) * bound);
    }
  }
}

std::uint64_t Network::work_bytes(std::size_t rows) const {
  std::uint64_t floats = 0, widest = 0;
  for (const std::size_t width : std::span(widths_).subspan(1)) {
    floats += width;
    widest = std::max<std::uint64_t>(widest, width);
  }
  return rows * (floats + 2 * widest) * sizeof(float);
}

void Network::reserve(std::size_t rows) {
  if (rows <= capacity_) return;
  capacity_ = rows;
  for (std::size_t l = 0; l < layers(); ++l) outputs_[l].resize(rows * widths_[l + 1]);
}

// Apart from the outputs, as an evaluation has more rows than a step and needs none of it.
void Network::reserve_slopes(std::size_t rows) {
  const std::size_t size = rows * *std::max_element(widths_.begin() + 1, widths_.end());
  if (size <= delta_.size()) return;
  delta_.resize(size);
  next_delta_.resize(size);
}

void Network::forward(std::span<const float> x, const Batch& batch) {
  INVARIANT(x.size() == layout_.size() && batch.x.size() == batch.y.size() * widths_[0]);
  reserve(batch.y.size());
  const Eigen::Index rows = index(batch.y.size());
  const float* input = batch.x.data();
  for (std::size_t l = 0; l < layers(); ++l) {
    const Eigen::Index in = index(widths_[l]), out = index(widths_[l + 1]);
    const Weights weight(x.data() + layout_.tensors()[2 * l].offset, out, in);
    const Bias bias(x.data() + layout_.tensors()[2 * l + 1].offset, out);
    MutableValues output(outputs_[l].data(), out, rows);
    output.noalias() = weight * Values(input, in, rows);
    output.colwise() += bias;
    if (l + 1 < layers()) relu(std::span(outputs_[l]).first(batch.y.size() * widths_[l + 1]));
    input = outputs_[l].data();
  }
}

double Network::row_loss(std::span<float> logits, std::uint32_t label, bool& correct,
                         float slope) const {
  return loss_ == Loss::cross_entropy ? softmax_loss(logits, label, correct, slope)
                                      : logistic_loss(logits[0], label, correct, slope);
}

double Network::gradient(std::span<const float> x, const Batch& batch, std::span<float> gradient) {
  INVARIANT(gradient.size() == x.size() && !batch.y.empty());
  forward(x, batch);
  const std::size_t rows = batch.y.size(), width = widths_.back();
  const float slope = 1.0F / static_cast<float>(rows);
  double loss = 0;
  bool correct = false;
  for (std::size_t row = 0; row < rows; ++row) {
    loss += row_loss(std::span(outputs_.back()).subspan(row * width, width), batch.y[row], correct,
                     slope);
  }
  reserve_slopes(rows);
  std::copy_n(outputs_.back().begin(), rows * width, delta_.begin());
  backward(x, batch, gradient);
  loss /= static_cast<double>(rows);
  if (l2_ == 0) return loss;
  double squares = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    squares += static_cast<double>(x[i]) * x[i];
    gradient[i] += static_cast<float>(l2_) * x[i];
  }
  return loss + 0.5 * l2_ * squares;
}

void Network::backward(std::span<const float> x, const Batch& batch, std::span<float> gradient) {
  const Eigen::Index rows = index(batch.y.size());
  for (std::size_t l = layers(); l-- > 0;) {
    const Eigen::Index in = index(widths_[l]), out = index(widths_[l + 1]);
    const std::size_t weight_at = layout_.tensors()[2 * l].offset;
    const std::size_t bias_at = layout_.tensors()[2 * l + 1].offset;
    const Values delta(delta_.data(), out, rows);
    const Values input(l == 0 ? batch.x.data() : outputs_[l - 1].data(), in, rows);
    WeightGradient(gradient.data() + weight_at, out, in).noalias() = delta * input.transpose();
    sum_rows(delta, BiasGradient(gradient.data() + bias_at, out));
    if (l == 0) break;  // nobody asks for the slope along the data
    const Weights weight(x.data() + weight_at, out, in);
    MutableValues(next_delta_.data(), in, rows).noalias() = weight.transpose() * delta;
    const std::size_t values = batch.y.size() * widths_[l];
    mask(std::span(outputs_[l - 1]).first(values), std::span(next_delta_).first(values));
    std::swap(delta_, next_delta_);
  }
}

Score Network::score(std::span<const float> x, const Batch& batch) {
  forward(x, batch);
  const std::size_t width = widths_.back();
  Score score;
  for (std::size_t row = 0; row < batch.y.size(); ++row) {
    bool correct = false;
    score.loss +=
        row_loss(std::span(outputs_.back()).subspan(row * width, width), batch.y[row], correct, 0);
    score.correct += correct ? 1 : 0;
  }
  return score;
}

}  // namespace starling::train
