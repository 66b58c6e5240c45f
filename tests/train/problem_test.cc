#include "train/problem.h"

#include <doctest/doctest.h>

#include <limits>

#include "train/check_options.h"

using namespace starling;
using namespace starling::train;

namespace {

TrainerOptions optdigits() {
  TrainerOptions options;
  options.data.path = STARLING_SOURCE_DIR "/data/uci-optdigits";
  options.model.hidden = {32};
  options.seed = 1;
  return options;
}

TrainerOptions quadratic() {
  TrainerOptions options;
  options.data.kind = DataKind::quadratic;
  options.model.kind = ModelKind::quadratic;
  return options;
}

template <class Change>
std::string refusal(TrainerOptions options, Change change) {
  change(options);
  const Result<void> checked = check_options(options);
  REQUIRE_FALSE(checked.ok());
  CHECK(checked.error().code == ErrorCode::config);
  CHECK_FALSE(load_problem(options, 2).ok());
  return checked.error().message;
}

}  // namespace

TEST_CASE("problem: good options load") {
  CHECK(load_problem(optdigits(), 8).ok());
  CHECK(load_problem(quadratic(), 8).ok());
}

TEST_CASE("problem: logistic on ten classes is refused with both numbers") {
  TrainerOptions options = optdigits();
  options.model = {.kind = ModelKind::logistic, .hidden = {}, .l2 = 0};
  const auto problem = load_problem(options, 2);
  REQUIRE_FALSE(problem.ok());
  CHECK(problem.error().code == ErrorCode::config);
  CHECK(problem.error().message ==
        "model.kind = \"logistic\" separates 2 classes, but the data has 10; use \"softmax\"");
}

TEST_CASE("problem: more nodes than rows are refused") {
  const auto problem = load_problem(optdigits(), 4000);
  REQUIRE_FALSE(problem.ok());
  CHECK(problem.error().code == ErrorCode::config);
  CHECK(problem.error().message ==
        "the run has 4000 nodes, but the data has only 3823 training rows; every node needs one "
        "or more");
}

TEST_CASE("problem: a data set that is not there is a data error") {
  TrainerOptions options = optdigits();
  options.data.path = "/nonexistent";
  const auto problem = load_problem(options, 2);
  REQUIRE_FALSE(problem.ok());
  CHECK(problem.error().code == ErrorCode::data);
}

TEST_CASE("problem: model and data must fit each other") {
  const std::string both =
      "data.kind = \"quadratic\" and model.kind = \"quadratic\" need each other; set both or "
      "neither";
  CHECK(refusal(optdigits(), [](auto& o) {
          o.model = {.kind = ModelKind::quadratic, .hidden = {}, .l2 = 0};
        }) == both);
  CHECK(refusal(quadratic(), [](auto& o) { o.model.kind = ModelKind::softmax; }) == both);
  CHECK(refusal(optdigits(), [](auto& o) { o.model.hidden = {}; }) ==
        "model.hidden is empty, expected the widths of an mlp's hidden layers; without any, "
        "model.kind = \"softmax\" is the name");
  CHECK(refusal(optdigits(), [](auto& o) {
          o.model.hidden = {4, 0};
        }) == "model.hidden holds a 0, expected widths of 1 or more");
}

TEST_CASE("problem: numbers out of range are named with their key") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(refusal(optdigits(), [](auto& o) { o.train.learning_rate = 0; }) ==
        "train.learning_rate is 0, expected a number above 0");
  CHECK(refusal(optdigits(), [&](auto& o) { o.train.learning_rate = nan; }) ==
        "train.learning_rate is nan, expected a number above 0");
  CHECK(refusal(optdigits(), [](auto& o) { o.train.momentum = 1; }) ==
        "train.momentum is 1, expected 0 or more and below 1");
  CHECK(refusal(optdigits(), [](auto& o) { o.train.nesterov = true; }) ==
        "train.nesterov is true but train.momentum is 0; set train.momentum, 0.9 say");
  CHECK(refusal(optdigits(), [](auto& o) { o.train.local_steps = 0; }) ==
        "train.local_steps is 0, expected 1 or more");
  CHECK(refusal(optdigits(), [](auto& o) { o.train.weight_decay = -1; }) ==
        "train.weight_decay is -1, expected 0 or more");
  CHECK(refusal(optdigits(), [](auto& o) { o.model.l2 = -0.5; }) ==
        "model.l2 is -0.5, expected 0 or more");
  CHECK(refusal(optdigits(), [](auto& o) {
          o.data.split = Split::dirichlet;
          o.data.alpha = 0;
        }) == "data.alpha is 0, expected a number above 0");
  CHECK(refusal(quadratic(), [](auto& o) { o.data.condition = 0.5; }) ==
        "data.condition is 0.5, expected 1 or more");
  CHECK(refusal(quadratic(), [](auto& o) { o.data.dimension = 0; }) ==
        "data.dimension is 0, expected 1 or more");
}
