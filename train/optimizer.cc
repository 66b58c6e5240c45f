#include "train/optimizer.h"

#include <cmath>

#include "protocol/check.h"

namespace starling::train {
namespace {

constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr float kEpsilon = 1e-8F;

float decay_of(const Tensor& tensor, const TrainOptions& options) {
  return tensor.shape.size() >= 2 ? static_cast<float>(options.weight_decay) : 0;
}

}  // namespace

Optimizer::Optimizer(const TrainOptions& options, const TensorLayout& layout)
    : options_(options), layout_(layout) {
  const bool is_adam = options.optimizer == OptimizerKind::adam;
  if (is_adam || options.momentum != 0) first_.resize(layout.size());
  if (is_adam) second_.resize(layout.size());
}

void Optimizer::apply(double rate, std::span<const float> x, std::span<float> gradient) {
  INVARIANT(x.size() == layout_.size() && gradient.size() == layout_.size());
  const bool is_adam = options_.optimizer == OptimizerKind::adam;
  if (is_adam) {
    beta1_power_ *= kBeta1;
    beta2_power_ *= kBeta2;
  }
  for (const Tensor& tensor : layout_.tensors()) {
    if (is_adam) {
      adam(tensor, rate, x.data() + tensor.offset, gradient.data() + tensor.offset);
    } else {
      sgd(tensor, static_cast<float>(rate), x.data() + tensor.offset,
          gradient.data() + tensor.offset);
    }
  }
}

void Optimizer::archive(Archive& archive) {
  archive.fixed("first_moment", first_);
  archive.fixed("second_moment", second_);
  archive.number("beta1_power", beta1_power_);
  archive.number("beta2_power", beta2_power_);
}

// The conditions inside the loops do not change in them; the compiler moves them out.
void Optimizer::sgd(const Tensor& tensor, float rate, const float* __restrict x,
                    float* __restrict gradient) {
  const std::size_t size = tensor.size();
  const float decay = decay_of(tensor, options_);
  if (first_.empty()) {
    for (std::size_t i = 0; i < size; ++i) {
      gradient[i] = rate * (decay == 0 ? gradient[i] : gradient[i] + decay * x[i]);
    }
    return;
  }
  const auto momentum = static_cast<float>(options_.momentum);
  const bool nesterov = options_.nesterov;
  float* __restrict velocity = first_.data() + tensor.offset;
  for (std::size_t i = 0; i < size; ++i) {
    const float g = decay == 0 ? gradient[i] : gradient[i] + decay * x[i];
    velocity[i] = momentum * velocity[i] + g;
    gradient[i] = rate * (nesterov ? g + momentum * velocity[i] : velocity[i]);
  }
}

void Optimizer::adam(const Tensor& tensor, double rate, const float* __restrict x,
                     float* __restrict gradient) {
  constexpr auto kB1 = static_cast<float>(kBeta1), kRest1 = static_cast<float>(1 - kBeta1);
  constexpr auto kB2 = static_cast<float>(kBeta2), kRest2 = static_cast<float>(1 - kBeta2);
  const std::size_t size = tensor.size();
  const auto decay = static_cast<float>(rate) * decay_of(tensor, options_);
  const auto step = static_cast<float>(rate / (1 - beta1_power_));
  const auto root = static_cast<float>(1 / std::sqrt(1 - beta2_power_));
  float* __restrict first = first_.data() + tensor.offset;
  float* __restrict second = second_.data() + tensor.offset;
  for (std::size_t i = 0; i < size; ++i) {
    const float g = gradient[i];
    first[i] = kB1 * first[i] + kRest1 * g;
    second[i] = kB2 * second[i] + kRest2 * g * g;
    const float move = step * first[i] / (std::sqrt(second[i]) * root + kEpsilon);
    gradient[i] = decay == 0 ? move : move + decay * x[i];
  }
}

}  // namespace starling::train
