#include "daemon/trace.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "node/report.h"
#include "protocol/random.h"

using namespace starling;
using namespace starling::daemon;
using namespace std::chrono_literals;

namespace {

double spread_of(const std::vector<std::vector<float>>& models) {
  Spread spread;
  for (const auto& model : models) spread.add(model);
  return spread.distance();
}

node::Progress progress(Round rounds, double step_loss, std::uint64_t sent) {
  node::Progress p;
  p.rounds_done = rounds;
  p.step_loss = step_loss;
  p.sent_bytes = sent;
  return p;
}

node::Progress evaluated(Round rounds, double accuracy) {
  node::Progress p = progress(rounds, 1, 0);
  p.evaluation = train::Evaluation{2 * accuracy, accuracy, std::nullopt};
  p.evaluated_rounds = rounds;
  return p;
}

}  // namespace

// Mean (3, 4) has norm 5; the two models are (±3, ±4) away from it, 5 each.
TEST_CASE("trace: the spread of models computed by hand") {
  CHECK(spread_of({{0, 0}, {6, 8}}) == 1.0);
  CHECK(spread_of({{3, 4}, {3, 4}, {3, 4}}) == 0.0);
  CHECK(spread_of({{9, 9}}) == 0.0);
  CHECK(spread_of({{-2}, {2}}) == 2.0);
  CHECK(spread_of({{}, {}}) == 0.0);
}

TEST_CASE("trace: the spread is the report's, however close the models are") {
  const Random random(1, Stream::test);
  for (const float scale : {1.0F, 1e-3F, 3e-7F}) {
    std::vector<std::vector<float>> models(5, std::vector<float>(100));
    for (std::size_t i = 0; i < 5; ++i) {
      for (std::size_t k = 0; k < 100; ++k) {
        models[i][k] = random.normal(k) + scale * random.normal(1000 + i * 100 + k);
      }
    }
    const std::vector<std::span<const float>> spans(models.begin(), models.end());
    CHECK(spread_of(models) == doctest::Approx(*node::consensus_distance(spans)).epsilon(1e-9));
  }
}

TEST_CASE("trace: a round is the nodes' mean and worst, when the last of them is there") {
  Trace trace(2);
  trace.note(5ms, progress(1, 2, 100), {});
  trace.note(9ms, progress(2, 1, 200), {});
  trace.note(7ms, progress(1, 4, 300), {});
  const auto lines = trace.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].round == 1);
  CHECK(lines[0].nodes == 2);
  CHECK(lines[0].seconds == 0.007);
  CHECK(lines[0].mean_step_loss == 3);
  CHECK(lines[0].max_step_loss == 4);
  CHECK(lines[0].mean_sent_bytes == 200);
  CHECK_FALSE(lines[0].mean_loss.has_value());
  CHECK_FALSE(lines[0].consensus_distance.has_value());
  CHECK(lines[1].nodes == 1);
}

TEST_CASE("trace: models are compared as they were at the same round, not at the same time") {
  Trace trace(2);
  trace.note(1ms, evaluated(10, 0.5), std::vector<float>{0, 0});
  trace.note(2ms, evaluated(20, 0.7), std::vector<float>{3, 4});
  trace.note(3ms, evaluated(10, 0.9), std::vector<float>{6, 8});
  const auto lines = trace.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].mean_accuracy == 0.7);
  CHECK(lines[0].min_accuracy == 0.5);
  CHECK(lines[0].mean_loss == doctest::Approx(1.4));
  CHECK(lines[0].consensus_distance == 1.0);
  CHECK(lines[1].consensus_distance == 0.0);  // of one model so far
}

TEST_CASE("trace: an evaluation of an earlier round does not count again") {
  Trace trace(1);
  trace.note(1ms, evaluated(10, 0.5), std::vector<float>{1});
  node::Progress later = evaluated(10, 0.5);
  later.rounds_done = 11;
  trace.note(2ms, later, std::vector<float>{1});
  CHECK_FALSE(trace.lines()[1].mean_accuracy.has_value());
}

TEST_CASE("trace: rounds that never become complete do not pile up models") {
  Trace trace(2);
  for (Round r = 1; r <= 100; ++r) trace.note(1ms, evaluated(r, 0.5), std::vector<float>{1});
  trace.note(2ms, evaluated(1, 0.5), std::vector<float>{7});  // too late
  trace.note(2ms, evaluated(100, 0.5), std::vector<float>{7});
  const auto lines = trace.lines();
  REQUIRE(lines.size() == 100);
  CHECK(lines[0].consensus_distance == 0.0);
  CHECK(lines[0].nodes == 2);
  CHECK(lines[99].consensus_distance == 0.75);
}

TEST_CASE("trace: CSV has a field for every column, empty where nothing is known") {
  TraceLine line{.round = 3,
                 .nodes = 2,
                 .seconds = 0.5,
                 .mean_step_loss = 1.5,
                 .max_step_loss = 2,
                 .mean_sent_bytes = 64};
  TraceLine full = line;
  full.mean_loss = 0.25;
  full.mean_accuracy = 0.75;
  full.min_accuracy = 0.5;
  full.consensus_distance = 1e-7;
  CHECK(to_csv({{"choco", {line}}, {"model.hidden=[1,\"2\"]", {full}}}) ==
        "run,round,nodes,virtual_seconds,step_loss_mean,step_loss_max,sent_bytes_mean,loss_mean,"
        "accuracy_mean,accuracy_worst,relative_error,consensus_distance\n"
        "choco,3,2,0.5,1.5,2,64,,,,,\n"
        "\"model.hidden=[1,\"\"2\"\"]\",3,2,0.5,1.5,2,64,0.25,0.75,0.5,,1e-07\n");
  CHECK(to_csv({}).find('\n') == to_csv({}).size() - 1);
}

TEST_CASE("trace: JSON lines have keys for what is known, and null for what is no number") {
  TraceLine line{.round = 3,
                 .nodes = 2,
                 .seconds = 0.5,
                 .mean_step_loss = NAN,
                 .max_step_loss = 2,
                 .mean_sent_bytes = 64};
  CHECK(to_json_lines({{"a\xff\"", {line}}}) ==
        "{\"run\":\"a\xef\xbf\xbd\\\"\",\"round\":3,\"nodes\":2,\"virtual_seconds\":0.5,"
        "\"step_loss_mean\":null,\"step_loss_max\":2.0,\"sent_bytes_mean\":64.0}\n");
}
