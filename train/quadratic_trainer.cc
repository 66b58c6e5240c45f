#include "train/quadratic_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "protocol/check.h"
#include "protocol/random.h"

namespace starling::train {

QuadraticTrainer::QuadraticTrainer(std::shared_ptr<const Problem> problem, NodeId node)
    : problem_(std::move(problem)),
      quadratic_(*problem_->quadratic),
      node_(node),
      layout_(quadratic_.layout()),
      steps_(problem_->options.train, problem_->options.rounds, layout_),
      slope_(quadratic_.dimension()) {
  INVARIANT(index_of(node) < quadratic_.nodes());
}

void QuadraticTrainer::initialize(std::span<float> x) const {
  INVARIANT(x.size() == layout_.size());
  std::fill(x.begin(), x.end(), 0.0F);
}

double QuadraticTrainer::noisy_gradient(Round round, std::size_t h, std::span<const float> y,
                                        std::span<float> gradient) {
  const double loss = quadratic_.gradient(index_of(node_), y, slope_);
  const double noise = problem_->options.data.noise;
  if (noise != 0) {
    const Random random(problem_->options.seed, Stream::gradient_noise,
                        {index_of(node_), round, h});
    for (std::size_t k = 0; k < slope_.size(); ++k) slope_[k] += noise * random.normal(k);
  }
  std::transform(slope_.begin(), slope_.end(), gradient.begin(),
                 [](double g) { return static_cast<float>(g); });
  return loss;
}

double QuadraticTrainer::step(Round round, std::span<const float> x, std::span<float> update) {
  return steps_.run(round, x, update,
                    [&](std::size_t h, std::span<const float> y, std::span<float> gradient) {
                      return noisy_gradient(round, h, y, gradient);
                    });
}

std::optional<double> QuadraticTrainer::solve(std::span<const float> x,
                                              std::span<const float> slope,
                                              std::span<float> update) {
  if (problem_->options.data.noise != 0) return std::nullopt;
  if (inverse_.empty()) inverse_ = quadratic_.inverse_curvature(index_of(node_));
  const double loss = quadratic_.gradient(index_of(node_), x, slope_);
  for (std::size_t k = 0; k < slope_.size(); ++k) slope_[k] += slope[k];
  for (std::size_t i = 0; i < update.size(); ++i) {
    const double* row = inverse_.data() + i * slope_.size();
    update[i] = static_cast<float>(std::inner_product(slope_.begin(), slope_.end(), row, 0.0));
  }
  return loss;
}

Evaluation QuadraticTrainer::evaluate(std::span<const float> x) {
  return {.loss = quadratic_.value(index_of(node_), x),
          .accuracy = std::nullopt,
          .relative_error = quadratic_.relative_error(x)};
}

MemoryUse QuadraticTrainer::memory() const {
  const std::uint64_t d = quadratic_.dimension();
  return {.optimizer = steps_.optimizer_bytes(),
          .work = steps_.work_bytes() + (quadratic_.nodes() + 2) * d * (d + 1) * sizeof(double)};
}

std::string QuadraticTrainer::describe() const {
  const DataOptions& data = problem_->options.data;
  return fmt::format("quadratic of {} dimensions, condition {}, heterogeneity {}, noise {}",
                     data.dimension, data.condition, data.heterogeneity, data.noise);
}

}  // namespace starling::train
