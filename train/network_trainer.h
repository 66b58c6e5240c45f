// A node that trains a network on its share of a data set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "train/batches.h"
#include "train/local_steps.h"
#include "train/network.h"
#include "train/problem.h"
#include "train/trainer.h"

namespace starling::train {

class NetworkTrainer final : public Trainer {
 public:
  // The problem has data; `node` is one of its shares.
  NetworkTrainer(std::shared_ptr<const Problem> problem, NodeId node);

  const TensorLayout& layout() const override { return network_.layout(); }
  void initialize(std::span<float> x) const override;
  // Step h of round r uses batch r·H + h.
  double step(Round round, std::span<const float> x, std::span<float> update) override;
  double learning_rate(Round round) const override { return steps_.learning_rate_of(round); }
  Evaluation evaluate(std::span<const float> x) override;
  void archive(Archive& archive) override { steps_.archive(archive); }
  MemoryUse memory() const override;
  std::string describe() const override;

 private:
  // The rows of step `step`, side by side.
  Batch gather(std::uint64_t step);

  // Constant after construction.
  const std::shared_ptr<const Problem> problem_;
  const Share& share_;  // inside *problem_
  // Engine thread only.
  Network network_;
  LocalSteps steps_;  // refers to network_'s layout
  Batches batches_;
  std::vector<float> batch_x_;
  std::vector<std::uint32_t> batch_y_;
  bool gathered_ = false;
};

}  // namespace starling::train
