#include "train/schedule.h"

#include <doctest/doctest.h>

using namespace starling;
using namespace starling::train;

TEST_CASE("schedule: the learning rate of a round, by table") {
  struct Case {
    Schedule schedule;
    std::size_t warmup;
    Round round, rounds;
    double rate;
  };
  constexpr auto kConstant = Schedule::constant;
  constexpr auto kStep = Schedule::step;
  constexpr auto kCosine = Schedule::cosine;
  for (const Case& c : {
           Case{kConstant, 0, 0, 100, 0.4},  Case{kConstant, 0, 99, 100, 0.4},
           Case{kConstant, 4, 0, 100, 0.1},  Case{kConstant, 4, 2, 100, 0.3},
           Case{kConstant, 4, 3, 100, 0.4},  Case{kConstant, 4, 4, 100, 0.4},
           Case{kStep, 0, 49, 100, 0.4},     Case{kStep, 0, 50, 100, 0.04},
           Case{kStep, 0, 74, 100, 0.04},    Case{kStep, 0, 75, 100, 0.004},
           Case{kStep, 0, 1000, 100, 0.004}, Case{kStep, 0, 2, 5, 0.4},
           Case{kStep, 0, 3, 5, 0.04},       Case{kCosine, 0, 0, 100, 0.4},
           Case{kCosine, 0, 50, 100, 0.2},   Case{kCosine, 0, 100, 100, 0},
           Case{kCosine, 0, 150, 100, 0},    Case{kCosine, 100, 49, 98, 0.1},
           Case{kStep, 0, 50, 0, 0.4},       Case{kCosine, 0, 50, 0, 0.4},
       }) {
    CAPTURE(c.round);
    CAPTURE(c.warmup);
    TrainOptions options;
    options.learning_rate = 0.4;
    options.schedule = c.schedule;
    options.warmup = c.warmup;
    CHECK(learning_rate(options, c.round, c.rounds) == doctest::Approx(c.rate));
  }
}
