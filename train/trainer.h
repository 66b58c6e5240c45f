// The seam between a node and what it learns from: local steps and evaluations on a flat vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "protocol/archive.h"
#include "protocol/ids.h"
#include "protocol/result.h"
#include "protocol/tensor_layout.h"
#include "train/options.h"

namespace starling::train {

struct Evaluation {
  double loss = 0;                       // mean over the test rows (quadratic: this node's f_i)
  std::optional<double> accuracy;        // share of the test rows, 0 to 1; classification only
  std::optional<double> relative_error;  // ‖x - x*‖ / ‖x*‖ where x* of the whole flock is known
};

// What a trainer takes at most, in bytes, beside the data and the vectors that it is called with.
struct MemoryUse {
  std::uint64_t optimizer = 0;  // moments
  std::uint64_t work = 0;       // activations, gathered rows, steps between two exchanges
};

// One node's local problem. Engine thread only. Deterministic: the same construction and the same
// sequence of calls give the same bits. Spans are only read or written during the call.
class Trainer {
 public:
  virtual ~Trainer() = default;

  virtual const TensorLayout& layout() const = 0;

  // The start model: the same on every node of a run (it depends on the run's seed alone).
  virtual void initialize(std::span<float> x) const = 0;

  // H local steps from x. Writes to `update` what they would subtract from x (η·g for one step of
  // SGD, the preconditioned step for Adam, the sum of H steps) and returns the mean loss of the
  // rows used, taken before each step. x and update have layout().size() floats and do not overlap.
  // `round` selects batch, noise and learning rate; it may jump forward.
  virtual double step(Round round, std::span<const float> x, std::span<float> update) = 0;

  // Where the local problem has a minimum in closed form: writes to `update` what leads from x to
  // argmin_y f(y) + <slope, y>, f being this node's loss, and returns f(x). nullopt where it has
  // none, whatever the arguments. Nothing of TrainOptions has a say in it.
  virtual std::optional<double> solve(std::span<const float> /*x*/,
                                      std::span<const float> /*slope*/,
                                      std::span<float> /*update*/) {
    return std::nullopt;
  }

  // The learning rate that step(round, …) uses.
  virtual double learning_rate(Round round) const = 0;

  // On the test rows, which all nodes share.
  virtual Evaluation evaluate(std::span<const float> x) = 0;

  // What step() keeps from call to call; a loaded trainer goes on with the same bits. Not the
  // model, which is somebody else's, nor what follows from the construction.
  virtual void archive(Archive& archive) = 0;

  virtual MemoryUse memory() const = 0;

  // One line for the start banner: "mlp 64-128-64-10 (17,226 parameters) on 371 of 3,823 rows".
  virtual std::string describe() const = 0;
};

struct TrainerOptions {
  DataOptions data;
  ModelOptions model;
  TrainOptions train;
  std::uint64_t seed = 0;
  Round rounds = 0;  // the schedules' horizon
};

class Problem;  // loaded data, shared by the trainers of one process

// Reads the data set and splits it over `nodes` nodes; those that have `left` (ascending) keep
// their shares, for the data are theirs. Fails (ErrorCode::data) with file, offset or
// line, what was found and what was expected; (ErrorCode::config) for a model that does not fit the
// data (logistic on ten classes, quadratic model on optdigits, more nodes than rows …) and for what
// check_options.h refuses. A batch above a node's share is no error: that node uses its whole
// share.
Result<std::shared_ptr<const Problem>> load_problem(const TrainerOptions& options,
                                                    std::size_t nodes,
                                                    std::span<const std::size_t> left = {});

// The local problem of one node. The simulator makes many from one Problem.
std::unique_ptr<Trainer> make_trainer(std::shared_ptr<const Problem> problem, NodeId node);

}  // namespace starling::train
