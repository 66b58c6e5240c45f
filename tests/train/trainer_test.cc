#include "train/trainer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/memory_state.h"
#include "train/problem.h"

using namespace starling;
using namespace starling::train;

namespace {

TrainerOptions optdigits() {
  TrainerOptions options;
  options.data.path = STARLING_SOURCE_DIR "/data/uci-optdigits";
  options.model.hidden = {128, 64};
  options.train.momentum = 0.9;
  options.seed = 7;
  options.rounds = 100;
  return options;
}

TrainerOptions quadratic() {
  TrainerOptions options;
  options.data.kind = DataKind::quadratic;
  options.data.dimension = 20;
  options.data.noise = 0.5;
  options.model.kind = ModelKind::quadratic;
  options.train.learning_rate = 0.05;
  options.seed = 7;
  return options;
}

std::unique_ptr<Trainer> trainer_of(const TrainerOptions& options, std::size_t nodes = 8,
                                    NodeId node = NodeId{0}) {
  auto problem = load_problem(options, nodes);
  REQUIRE(problem.ok());
  return make_trainer(*problem, node);
}

struct Run {
  std::vector<float> x;
  std::vector<double> losses;
  bool operator==(const Run&) const = default;
};

Run run(Trainer& trainer, Round begin, Round end) {
  Run run{std::vector<float>(trainer.layout().size()), {}};
  std::vector<float> update(run.x.size());
  trainer.initialize(run.x);
  for (Round round = begin; round < end; ++round) {
    run.losses.push_back(trainer.step(round, run.x, update));
    for (std::size_t i = 0; i < update.size(); ++i) run.x[i] -= update[i];
  }
  return run;
}

}  // namespace

TEST_CASE("trainer: an mlp learns optdigits past 90 % in 300 steps") {
  TrainerOptions options = optdigits();
  options.train.learning_rate = 0.05;
  const auto trainer = trainer_of(options, 1);
  const Run result = run(*trainer, 0, 300);
  const Evaluation evaluation = trainer->evaluate(result.x);
  CHECK(*evaluation.accuracy > 0.9);
  CHECK(evaluation.loss < 0.35);
  CHECK_FALSE(evaluation.relative_error.has_value());
}

TEST_CASE("trainer: softmax with adam learns optdigits too") {
  TrainerOptions options = optdigits();
  options.model = {.kind = ModelKind::softmax, .hidden = {}, .l2 = 1e-4};
  options.train.optimizer = OptimizerKind::adam;
  options.train.learning_rate = 0.01;
  const auto trainer = trainer_of(options, 1);
  CHECK(*trainer->evaluate(run(*trainer, 0, 300).x).accuracy > 0.9);
}

TEST_CASE("trainer: the same construction and calls give the same bits") {
  for (const TrainerOptions& options : {optdigits(), quadratic()}) {
    const auto a = trainer_of(options), b = trainer_of(options);
    const Run first = run(*a, 0, 20);
    CHECK(first == run(*b, 0, 20));
    CHECK(a->evaluate(first.x).loss == b->evaluate(first.x).loss);
  }
}

TEST_CASE("trainer: nodes start at one model and see different batches") {
  const auto problem = load_problem(optdigits(), 8);
  REQUIRE(problem.ok());
  const auto a = make_trainer(*problem, NodeId{0}), b = make_trainer(*problem, NodeId{1});
  CHECK(run(*a, 0, 0).x == run(*b, 0, 0).x);
  CHECK(run(*a, 0, 1).x != run(*b, 0, 1).x);
}

TEST_CASE("trainer: H local steps are H manual ones summed, and the loss is their mean") {
  for (TrainerOptions options : {optdigits(), quadratic()}) {
    options.data.noise = 0;  // noise is drawn per round and step, so the manual way has other noise
    constexpr std::size_t kSteps = 4;
    const auto single = trainer_of(options);
    options.train.local_steps = kSteps;
    const auto several = trainer_of(options);
    std::vector<float> x(single->layout().size()), update(x), sum(x), whole(x);
    single->initialize(x);
    const double loss = several->step(3, x, whole);
    double losses = 0;
    for (Round round = 3 * kSteps; round < 4 * kSteps; ++round) {
      losses += single->step(round, x, update);
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] -= update[i];
        sum[i] += update[i];
      }
    }
    CHECK(whole == sum);
    CHECK(loss == losses / kSteps);
  }
}

TEST_CASE("trainer: a round that was jumped to uses its own batch and rate") {
  TrainerOptions options = optdigits();
  options.train.momentum = 0;
  options.train.schedule = Schedule::cosine;
  const auto walker = trainer_of(options), jumper = trainer_of(options);
  run(*walker, 0, 60);
  CHECK(run(*walker, 60, 61) == run(*jumper, 60, 61));
  CHECK(run(*walker, 60, 61) != run(*jumper, 61, 62));
}

// A unit whose gradient has died keeps a momentum that shrinks below the normal floats, where x86
// is slow; no such number may leave the trainer, and the thread's arithmetic must be left alone.
TEST_CASE("trainer: updates hold no denormals, and the caller's own arithmetic keeps them") {
  TrainerOptions options = optdigits();
  options.train.learning_rate = 1e-37;
  const auto trainer = trainer_of(options);
  std::vector<float> x(trainer->layout().size()), update(x);
  trainer->initialize(x);
  trainer->step(0, x, update);
  CHECK(std::none_of(update.begin(), update.end(),
                     [](float u) { return std::fpclassify(u) == FP_SUBNORMAL; }));
  CHECK(std::any_of(update.begin(), update.end(), [](float u) { return u == 0; }));
  volatile float smallest = std::numeric_limits<float>::min();
  CHECK(smallest / 2 > 0);
}

TEST_CASE("trainer: a batch above the share is the whole share") {
  TrainerOptions options = optdigits();
  options.train.batch = 0;
  const auto all = trainer_of(options);
  options.train.batch = 100'000;
  const auto clipped = trainer_of(options);
  CHECK(run(*all, 0, 3) == run(*clipped, 0, 3));
}

TEST_CASE("trainer: noise belongs to node, round and step") {
  const TrainerOptions options = quadratic();
  const auto trainer = trainer_of(options);
  std::vector<float> x(20), first(20), again(20), later(20);
  trainer->step(4, x, first);
  trainer->step(4, x, again);
  trainer->step(5, x, later);
  CHECK(first == again);
  CHECK(first != later);
}

TEST_CASE("trainer: a lone quadratic converges to the optimum") {
  TrainerOptions options = quadratic();
  options.data.noise = 0;
  options.train.learning_rate = 0.15;
  const auto trainer = trainer_of(options, 1);
  const Evaluation before = trainer->evaluate(std::vector<float>(20));
  CHECK(*before.relative_error == doctest::Approx(1));
  CHECK_FALSE(before.accuracy.has_value());
  const Evaluation after = trainer->evaluate(run(*trainer, 0, 200).x);
  CHECK(*after.relative_error < 1e-5);
  CHECK(after.loss < 1e-8);
}

TEST_CASE("trainer: a quadratic without noise is solved, with a slope too; nothing else is") {
  TrainerOptions options = quadratic();
  const std::vector<float> x(20, 1.0f);
  std::vector<float> slope(20), update(20), after(20);
  for (std::size_t k = 0; k < 20; ++k) slope[k] = 0.5f * static_cast<float>(k) - 3;
  CHECK_FALSE(trainer_of(options)->solve(x, slope, update).has_value());
  options.data.noise = 0;
  options.model.l2 = 0.25;
  const auto trainer = trainer_of(options);
  const auto loss = trainer->solve(x, slope, update);
  REQUIRE(loss);
  // At the minimum the gradient, which a step of rate 1 is, is the negative slope.
  options.train.learning_rate = 1;
  const auto gradient = trainer_of(options);
  CHECK(*loss == doctest::Approx(gradient->step(0, x, after)));
  std::vector<float> minimum(20);
  for (std::size_t k = 0; k < 20; ++k) minimum[k] = x[k] - update[k];
  gradient->step(0, minimum, after);
  for (std::size_t k = 0; k < 20; ++k) CHECK(std::abs(after[k] + slope[k]) < 1e-4);
  CHECK_FALSE(trainer_of(optdigits())->solve({}, {}, {}).has_value());
}

TEST_CASE("trainer: the banner names model, parameters and rows") {
  TrainerOptions options = optdigits();
  CHECK(trainer_of(options)->describe() ==
        "mlp 64-128-64-10 (17,226 parameters) on 477 of 3,823 rows");
  options.data.split = Split::by_label;
  options.model = {.kind = ModelKind::softmax, .hidden = {16}, .l2 = 0};  // hidden has no effect
  CHECK(trainer_of(options)->describe() ==
        "softmax 64-10 (650 parameters) on 477 of 3,823 rows, by class 376 101 0 0 0 0 0 0 0 0");
  CHECK(trainer_of(quadratic())->describe() ==
        "quadratic of 20 dimensions, condition 10, heterogeneity 1, noise 0.5");
}

namespace {

// One trainer for all rounds, or a new one from round `stop` on, which has loaded the old one's
// state or begins without.
enum class Resume { never, loaded, without_state };
std::vector<float> model_after(const TrainerOptions& options, Resume resume) {
  constexpr Round kStop = 7, kEnd = 20;
  auto trainer = trainer_of(options);
  std::vector<float> x(trainer->layout().size()), update(x.size());
  trainer->initialize(x);
  for (Round round = 0; round < kEnd; ++round) {
    if (round == kStop && resume != Resume::never) {
      const starling::test::MemoryState state = starling::test::saved(*trainer);
      trainer = trainer_of(options);
      if (resume == Resume::loaded) REQUIRE(starling::test::load(state, *trainer).ok());
    }
    trainer->step(round, x, update);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= update[i];
  }
  return x;
}

}  // namespace

TEST_CASE("trainer: one that has loaded another's state goes on with the same bits") {
  for (TrainerOptions options : {optdigits(), quadratic()}) {
    for (const bool adam : {false, true}) {
      for (const std::size_t local_steps : {1, 3}) {
        options.train.optimizer = adam ? OptimizerKind::adam : OptimizerKind::sgd;
        options.train.learning_rate = 0.01;
        options.train.momentum = 0.9;
        options.train.nesterov = local_steps == 3;
        options.train.local_steps = local_steps;
        const std::vector<float> whole = model_after(options, Resume::never);
        CHECK(model_after(options, Resume::loaded) == whole);
        CHECK(model_after(options, Resume::without_state) != whole);
      }
    }
  }
}

TEST_CASE("trainer: the state of another optimizer or model is refused") {
  const auto refusal = [](const TrainerOptions& from, const TrainerOptions& to) {
    const auto loaded =
        starling::test::load(starling::test::saved(*trainer_of(from)), *trainer_of(to));
    return loaded.ok() ? "" : loaded.error().message;
  };
  TrainerOptions plain = optdigits(), adam = optdigits(), small = optdigits();
  plain.train.momentum = 0;
  adam.train.optimizer = OptimizerKind::adam;
  small.model.hidden = {8};
  CHECK(refusal(optdigits(), optdigits()).empty());
  CHECK(refusal(plain, optdigits()) ==
        "state 'optimizer.first_moment' has 0 floats, expected 17226");
  CHECK(refusal(adam, optdigits()) ==
        "state 'optimizer.second_moment' has 17226 floats, expected 0");
  CHECK(refusal(small, optdigits()) ==
        "state 'optimizer.first_moment' has 610 floats, expected 17226");
}
