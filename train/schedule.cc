#include "train/schedule.h"

#include <cmath>
#include <numbers>

namespace starling::train {
namespace {

// `done` is the share of the run that lies behind, 0 to 1 and beyond.
double schedule_factor(Schedule schedule, double done) {
  switch (schedule) {
    case Schedule::constant: return 1;
    case Schedule::step: return done < 0.5 ? 1 : done < 0.75 ? 0.1 : 0.01;
    case Schedule::cosine: return done < 1 ? (1 + std::cos(std::numbers::pi * done)) / 2 : 0;
  }
  return 1;
}

}  // namespace

double learning_rate(const TrainOptions& options, Round round, Round rounds) {
  double rate = options.learning_rate;
  if (round < options.warmup) {
    rate *= static_cast<double>(round + 1) / static_cast<double>(options.warmup);
  }
  if (rounds == 0) return rate;
  return rate * schedule_factor(options.schedule,
                                static_cast<double>(round) / static_cast<double>(rounds));
}

}  // namespace starling::train
