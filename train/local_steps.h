// H optimizer steps from the model a node stands at: what the trainers have in common.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "protocol/archive.h"
#include "protocol/check.h"
#include "protocol/ids.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/schedule.h"

namespace starling::train {

// Engine thread only. After the first call it takes no memory.
class LocalSteps {
 public:
  // `layout` must outlive this. `rounds` is the schedules' horizon.
  LocalSteps(const TrainOptions& options, Round rounds, const TensorLayout& layout)
      : options_(options), rounds_(rounds), optimizer_(options, layout) {
    INVARIANT(options.local_steps >= 1);
    if (options.local_steps == 1) return;
    y_.resize(layout.size());
    gradient_.resize(layout.size());
  }

  double learning_rate_of(Round round) const { return learning_rate(options_, round, rounds_); }

  std::uint64_t optimizer_bytes() const { return optimizer_.bytes(); }
  std::uint64_t work_bytes() const { return (y_.size() + gradient_.size()) * sizeof(float); }

  void archive(Archive& archive) {
    const Archive::Scope scope(archive, "optimizer");
    optimizer_.archive(archive);
  }

  // y = x; H times: u = optimizer(gradient at y), y -= u, update += u. Returns the mean loss.
  // `gradient(h, y, out)`, h = 0 … H-1, writes the whole gradient to `out` and returns the loss.
  template <class Gradient>
  double run(Round round, std::span<const float> x, std::span<float> update,
             const Gradient& gradient) {
    const double rate = learning_rate_of(round);
    if (options_.local_steps == 1) {
      const double loss = gradient(std::size_t{0}, x, update);
      optimizer_.apply(rate, x, update);
      return loss;
    }
    y_.assign(x.begin(), x.end());
    std::fill(update.begin(), update.end(), 0.0F);
    double loss = 0;
    for (std::size_t h = 0; h < options_.local_steps; ++h) {
      loss += gradient(h, std::span<const float>(y_), std::span<float>(gradient_));
      optimizer_.apply(rate, y_, gradient_);
      for (std::size_t i = 0; i < y_.size(); ++i) {
        y_[i] -= gradient_[i];
        update[i] += gradient_[i];
      }
    }
    return loss / static_cast<double>(options_.local_steps);
  }

 private:
  // Constant after construction.
  const TrainOptions options_;
  const Round rounds_;
  // Engine thread only.
  Optimizer optimizer_;
  std::vector<float> y_;         // empty for H = 1, where x and update serve
  std::vector<float> gradient_;  // likewise
};

}  // namespace starling::train
