// Which rows of the training set belong to which node. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "train/options.h"

namespace starling::train {

// Row numbers of one node, ascending.
using Share = std::vector<std::uint32_t>;

struct SplitOptions {
  Split kind = Split::iid;
  double alpha = 0.3;  // dirichlet only, > 0
  std::uint64_t seed = 0;
};

// Every row goes to exactly one of `nodes` shares and every share has at least one row; requires
// nodes ≥ 1 and as many rows as nodes. Depends on the arguments alone, so every machine of a run
// cuts the same shares.
//
//   iid        a random permutation, cut into blocks; sizes differ by at most one.
//   dirichlet  for each class, proportions p ~ Dir(alpha·1) over the nodes cut that class's
//   shuffled
//              rows (Hsu, Qi, Brown, "Measuring the effects of non-identical data distribution",
//              2019). Redrawn while a node is left without rows; after kSplitAttempts draws the
//              largest share gives one row to each empty one.
//   by_label   rows sorted by label, cut into blocks; sizes differ by at most one.
std::vector<Share> split_rows(std::span<const std::uint32_t> labels, std::size_t nodes,
                              const SplitOptions& options);

inline constexpr std::uint64_t kSplitAttempts = 100;

}  // namespace starling::train
