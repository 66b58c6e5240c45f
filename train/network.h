// Fully connected networks on one flat vector: softmax regression (no hidden layer), multi-layer
// perceptron (ReLU between) and logistic regression (no hidden layer, one output).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "protocol/tensor_layout.h"

namespace starling::train {

// The classes of a softmax, or the one logit of the class 1 against the class 0.
enum class Loss { cross_entropy, log_loss };

// Rows of data that somebody else owns.
struct Batch {
  std::span<const float> x;          // rows × features, row-major
  std::span<const std::uint32_t> y;  // rows
};

struct Score {
  double loss = 0;  // summed over the rows, without l2
  std::size_t correct = 0;
};

// Engine thread only. Tensors "layer0.weight" {outputs, inputs} (row-major, as PyTorch's Linear),
// "layer0.bias" {outputs}, "layer1.weight" …. Work memory grows to the largest batch seen and is
// kept, so calls after the first take none (Eigen packs its panels in scratch of its own).
class Network {
 public:
  // widths: features, the hidden layers, outputs; log_loss has one output. All positive.
  Network(std::vector<std::size_t> widths, Loss loss, double l2);

  const TensorLayout& layout() const { return layout_; }
  const std::vector<std::size_t>& widths() const { return widths_; }

  // Work memory for batches of so many rows.
  std::uint64_t work_bytes(std::size_t rows) const;

  // Uniform in ±1/√inputs for weights and biases (PyTorch's Linear; Kaiming with a = √5), from
  // Random(seed, Stream::initial_model, {tensor}).
  void initialize(std::uint64_t seed, std::span<float> x) const;

  // The gradient of mean loss + ½·l2·‖x‖² at x; returns that value. The batch has a row or more.
  double gradient(std::span<const float> x, const Batch& batch, std::span<float> gradient);

  // NaN in x reaches the loss.
  Score score(std::span<const float> x, const Batch& batch);

 private:
  std::size_t layers() const { return widths_.size() - 1; }
  void reserve(std::size_t rows);
  void reserve_slopes(std::size_t rows);
  void forward(std::span<const float> x, const Batch& batch);
  void backward(std::span<const float> x, const Batch& batch, std::span<float> gradient);
  // From the logits of one row: its loss, and whether the right class won. With `slope` the logits
  // become slope · (d loss / d logit).
  double row_loss(std::span<float> logits, std::uint32_t label, bool& correct, float slope) const;

  // Constant after construction.
  const std::vector<std::size_t> widths_;
  const Loss loss_;
  const double l2_;
  TensorLayout layout_;
  // Work memory, each row's values side by side: outputs for capacity_ rows.
  std::size_t capacity_ = 0;
  std::vector<std::vector<float>> outputs_;  // of every layer, after its ReLU
  std::vector<float> delta_, next_delta_;    // d loss / d output, of two neighbouring layers
};

}  // namespace starling::train
