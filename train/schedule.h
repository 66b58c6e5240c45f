// The learning rate of a round. Pure; any thread.
#pragma once

#include "protocol/ids.h"
#include "train/options.h"

namespace starling::train {

// options.learning_rate × warm-up × schedule, where warm-up is (round + 1) / options.warmup before
// that round and 1 from then on, and the schedule runs over all `rounds`:
//   step    1, 0.1 from rounds/2, 0.01 from 3·rounds/4
//   cosine  (1 + cos(π·round/rounds)) / 2, and 0 from `rounds` on
// With rounds = 0 the horizon is unknown and every schedule is constant.
double learning_rate(const TrainOptions& options, Round round, Round rounds);

}  // namespace starling::train
