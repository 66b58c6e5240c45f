// What the trainers of one process share: the options, the loaded data and who has which rows.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "protocol/result.h"
#include "train/dataset.h"
#include "train/quadratic.h"
#include "train/split.h"
#include "train/trainer.h"

namespace starling::train {

// Immutable once made, then any thread; the trainers share its ownership.
class Problem {
 public:
  TrainerOptions options;
  DataSets data;                       // empty for the quadratic
  std::vector<Share> shares;           // one per node; empty for the quadratic
  std::optional<Quadratic> quadratic;  // only for the quadratic
};

// load_problem for a data set that is in memory already; options.data.kind and path do not matter.
// Fails (ErrorCode::config) for a model or a number of nodes that does not fit the data.
Result<std::shared_ptr<const Problem>> make_problem(const TrainerOptions& options, DataSets data,
                                                    std::size_t nodes);

}  // namespace starling::train
