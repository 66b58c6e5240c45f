// A node that minimises its quadratic; the measuring stick of the algorithms above.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "train/local_steps.h"
#include "train/problem.h"
#include "train/trainer.h"

namespace starling::train {

// Starts at x = 0. data.noise adds noise·N(0, 1) to every gradient coordinate, drawn from
// Random(seed, Stream::gradient_noise, {node, round, h}); losses are without noise. x* takes
// model.l2 into account, but not train.weight_decay.
class QuadraticTrainer final : public Trainer {
 public:
  // The problem has a quadratic with a function for `node`.
  QuadraticTrainer(std::shared_ptr<const Problem> problem, NodeId node);

  const TensorLayout& layout() const override { return layout_; }
  void initialize(std::span<float> x) const override;
  double step(Round round, std::span<const float> x, std::span<float> update) override;
  // By Newton's step, which a quadratic needs one of; not where gradients have noise.
  std::optional<double> solve(std::span<const float> x, std::span<const float> slope,
                              std::span<float> update) override;
  double learning_rate(Round round) const override { return steps_.learning_rate_of(round); }
  Evaluation evaluate(std::span<const float> x) override;
  void archive(Archive& archive) override { steps_.archive(archive); }
  // A process has the matrices of all nodes, and perhaps the inverse of its own.
  MemoryUse memory() const override;
  std::string describe() const override;

 private:
  double noisy_gradient(Round round, std::size_t h, std::span<const float> y,
                        std::span<float> gradient);

  // Constant after construction.
  const std::shared_ptr<const Problem> problem_;
  const Quadratic& quadratic_;  // inside *problem_
  const NodeId node_;
  const TensorLayout layout_;
  // Engine thread only.
  LocalSteps steps_;  // refers to layout_
  std::vector<double> slope_;
  std::vector<double> inverse_;  // of the curvature; empty until it is needed
};

}  // namespace starling::train
