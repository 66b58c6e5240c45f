#include "train/problem.h"

#include <fmt/format.h>

#include <utility>

#include "protocol/check.h"
#include "train/check_options.h"
#include "train/network_trainer.h"
#include "train/quadratic_trainer.h"
#include "train/readers.h"

namespace starling::train {
namespace {

Result<DataSets> read(const DataOptions& data) {
  switch (data.kind) {
    case DataKind::optdigits: return read_optdigits(data.path);
    case DataKind::idx: return read_idx(data.path);
    case DataKind::libsvm: return read_libsvm(data.path, data.test_path);
    case DataKind::quadratic: break;
  }
  INVARIANT(!"a quadratic is not read");
}

}  // namespace

Result<std::shared_ptr<const Problem>> make_problem(const TrainerOptions& options, DataSets data,
                                                    std::size_t nodes) {
  INVARIANT(nodes >= 1);
  if (options.model.kind == ModelKind::logistic && data.train.classes != 2) {
    return Error{ErrorCode::config,
                 fmt::format("model.kind = \"logistic\" separates 2 classes, but the data has {}; "
                             "use \"softmax\"",
                             data.train.classes)};
  }
  if (data.train.rows() < nodes) {
    return Error{ErrorCode::config,
                 fmt::format("the run has {} nodes, but the data has only {} training rows; every "
                             "node needs one or more",
                             nodes, data.train.rows())};
  }
  auto problem = std::make_shared<Problem>();
  problem->options = options;
  problem->shares =
      split_rows(data.train.y, nodes,
                 {.kind = options.data.split, .alpha = options.data.alpha, .seed = options.seed});
  problem->data = std::move(data);
  return std::shared_ptr<const Problem>(std::move(problem));
}

Result<std::shared_ptr<const Problem>> load_problem(const TrainerOptions& options,
                                                    std::size_t nodes,
                                                    std::span<const std::size_t> left) {
  INVARIANT(nodes >= 1);
  if (Result<void> sound = check_options(options); !sound) return sound.error();
  if (options.data.kind != DataKind::quadratic) {
    Result<DataSets> data = read(options.data);
    if (!data) return data.error();
    return make_problem(options, std::move(*data), nodes);
  }
  auto problem = std::make_shared<Problem>();
  problem->options = options;
  problem->quadratic.emplace(options.data, options.model.l2, options.seed, nodes, left);
  return std::shared_ptr<const Problem>(std::move(problem));
}

std::unique_ptr<Trainer> make_trainer(std::shared_ptr<const Problem> problem, NodeId node) {
  INVARIANT(problem != nullptr);
  if (problem->quadratic) return std::make_unique<QuadraticTrainer>(std::move(problem), node);
  return std::make_unique<NetworkTrainer>(std::move(problem), node);
}

}  // namespace starling::train
