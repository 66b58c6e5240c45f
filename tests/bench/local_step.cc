// Samples a second of local steps on an MLP 784-512-256-10, batch 32, SGD with momentum, one
// thread: gather the batch, forward, backward, optimizer, x -= update. `bench_local_step [STEPS]`
// prints one number. local_step.py sets it beside PyTorch's.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "protocol/random.h"
#include "train/problem.h"

namespace {

using namespace starling;
using namespace starling::train;

constexpr std::size_t kRows = 4096;
constexpr std::size_t kFeatures = 784;
constexpr std::size_t kClasses = 10;
constexpr Round kWarmUp = 20;
constexpr Round kDefaultSteps = 1000;

Dataset synthetic() {
  Dataset data{.features = kFeatures, .classes = kClasses, .x = {}, .y = {}};
  data.x.resize(kRows * kFeatures);
  Random(1, Stream::test).fill_normal(data.x);
  const Random labels(2, Stream::test);
  for (std::size_t i = 0; i < kRows; ++i) {
    data.y.push_back(static_cast<std::uint32_t>(labels.below(i, kClasses)));
  }
  return data;
}

TrainerOptions options() {
  TrainerOptions options;
  options.model.hidden = {512, 256};
  options.train.batch = 32;
  options.train.learning_rate = 0.05;
  options.train.momentum = 0.9;
  options.seed = 1;
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Round steps = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : kDefaultSteps;
  const Dataset data = synthetic();
  const auto problem = make_problem(options(), {data, data}, 1);
  if (!problem || steps == 0) return EXIT_FAILURE;
  const std::unique_ptr<Trainer> trainer = make_trainer(*problem, NodeId{0});
  std::vector<float> x(trainer->layout().size()), update(x.size());
  trainer->initialize(x);

  std::chrono::steady_clock::time_point begin;
  for (Round round = 0; round < kWarmUp + steps; ++round) {
    if (round == kWarmUp) begin = std::chrono::steady_clock::now();
    trainer->step(round, x, update);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= update[i];
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  std::printf("%.0f\n", static_cast<double>(steps * options().train.batch) / spent.count());
}
