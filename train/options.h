// What the run file says of data, model and training. Aggregates; the loader in node/ fills them,
// check() in the places named below holds the relations between keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace starling::train {

enum class DataKind { optdigits, idx, libsvm, quadratic };
enum class Split { iid, dirichlet, by_label };

struct DataOptions {
  DataKind kind = DataKind::optdigits;
  // optdigits: a folder with optdigits.tra, .hol and .tes. idx: a folder with the four MNIST-style
  // files, plain or .gz. libsvm: the training file. Absolute, or relative to the working directory
  // (the loader has resolved it against the run file).
  std::string path;
  std::string test_path;  // libsvm: the test file; empty: every fifth row is held out for the test
  Split split = Split::iid;
  double alpha = 0.3;  // dirichlet: concentration per label; smaller is more uneven

  // quadratic: f_i(x) = ½ (x - c_i)ᵀ A_i (x - c_i), spectrum of A_i from 1 to `condition`.
  std::size_t dimension = 20;
  double condition = 10;
  double heterogeneity = 1;  // standard deviation of the c_i around their common centre
  double noise = 0;          // standard deviation of each gradient coordinate
};

enum class ModelKind { mlp, softmax, logistic, quadratic };

struct ModelOptions {
  ModelKind kind = ModelKind::mlp;
  std::vector<std::size_t> hidden;  // mlp alone: widths of the hidden layers, ReLU between
  double l2 = 0;                    // adds ½·l2·‖x‖² to the loss (weights and biases alike)
};

enum class OptimizerKind { sgd, adam };
enum class Schedule { constant, step, cosine };

struct TrainOptions {
  std::size_t batch = 32;  // rows a local step; 0: all local rows
  OptimizerKind optimizer = OptimizerKind::sgd;
  double learning_rate = 0.1;
  // constant; step: ×0.1 after 1/2 and again after 3/4 of the rounds; cosine: down to 0 at the end.
  Schedule schedule = Schedule::constant;
  std::size_t warmup = 0;  // rounds of linear growth from learning_rate / warmup
  double momentum = 0;     // sgd; adam's beta1 stays 0.9
  bool nesterov = false;
  double weight_decay = 0;      // decoupled for adam, added to the gradient for sgd; weights only,
                                // not 1-D tensors
  std::size_t local_steps = 1;  // H: optimizer steps a round
};

}  // namespace starling::train
