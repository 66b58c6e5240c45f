// From a gradient to what a step subtracts from the model. Engine thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "protocol/archive.h"
#include "protocol/tensor_layout.h"
#include "train/options.h"

namespace starling::train {

// SGD with (Nesterov) momentum and Adam with decoupled decay (AdamW), in PyTorch's arithmetic:
//   sgd   g += decay·x;  v = momentum·v + g;  update = rate·v, or rate·(g + momentum·v) (nesterov)
//   adam  m = 0.9·m + 0.1·g;  v = 0.999·v + 0.001·g²;
//         update = rate·m̂ / (√v̂ + 1e-8) + rate·decay·x,  m̂ and v̂ bias-corrected
// `decay` is options.weight_decay on tensors of two or more dimensions and 0 on the others.
// The moments live here, from one call to the next.
class Optimizer {
 public:
  // `layout` is kept by reference and must outlive this.
  Optimizer(const TrainOptions& options, const TensorLayout& layout);

  // Turns the gradient at x, in place, into the update. One pass over the memory.
  void apply(double rate, std::span<const float> x, std::span<float> gradient);

  std::uint64_t bytes() const { return (first_.size() + second_.size()) * sizeof(float); }

  // The moments. What one optimizer has saved another refuses.
  void archive(Archive& archive);

 private:
  void sgd(const Tensor& tensor, float rate, const float* x, float* gradient);
  void adam(const Tensor& tensor, double rate, const float* x, float* gradient);

  // Constant after construction.
  const TrainOptions options_;
  const TensorLayout& layout_;
  // Moments: as large as the model where the method has them, else empty.
  std::vector<float> first_;
  std::vector<float> second_;
  double beta1_power_ = 1;  // of the steps taken
  double beta2_power_ = 1;
};

}  // namespace starling::train
