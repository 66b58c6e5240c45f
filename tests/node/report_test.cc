// What is said of a run when it is over.
#include "node/report.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "node/digest.h"

using namespace starling;
using namespace starling::node;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> keys_of(const nlohmann::ordered_json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

std::optional<double> distance(const std::vector<std::vector<float>>& models) {
  std::vector<std::span<const float>> spans(models.begin(), models.end());
  return consensus_distance(spans);
}

NodeReport node_report(const std::string& name, Round round, double loss) {
  NodeReport report;
  report.name = name;
  report.round = round;
  report.loss = loss;
  return report;
}

}  // namespace

// Mean (3, 4) has norm 5; the two models are (±3, ±4) away from it, 5 each.
TEST_CASE("report: the consensus distance of models computed by hand") {
  CHECK(distance({{0, 0}, {6, 8}}) == 1.0);
  CHECK(distance({{3, 4}, {3, 4}, {3, 4}}) == 0.0);
  CHECK(distance({{9, 9}}) == 0.0);
  CHECK_FALSE(distance({}).has_value());
  // Distances 1, 0, 1 from the mean 10: sqrt(2/3) / 10.
  CHECK(distance({{9}, {10}, {11}}).value() == doctest::Approx(std::sqrt(2.0 / 3) / 10));
  CHECK(distance({{-2}, {2}}) == 2.0);  // around zero it is not relative
}

TEST_CASE("report: a node's line follows from its progress and model") {
  const std::vector<float> model = {1, 2};
  const Progress progress{.phase = Phase::finished,
                          .rounds_done = 12,
                          .step_loss = 0.7,
                          .evaluation = train::Evaluation{0.5, 0.875, std::nullopt},
                          .evaluated_rounds = 10,
                          .evaluated_at_seconds = 3,
                          .waiting_for = {},
                          .edges = {},
                          .rates = {},
                          .sent_bytes = 100,
                          .received_bytes = 200,
                          .sent_uncompressed_bytes = 4000,
                          .compute = 2s,
                          .encode = 500ms,
                          .evaluate = 1s,
                          .elapsed = 10s};
  const NodeReport report = report_of("n3", progress, model);
  CHECK(report.name == "n3");
  CHECK(report.round == 12);
  CHECK(report.loss == 0.5);
  CHECK(report.accuracy == 0.875);
  CHECK(report.sent_bytes == 100);
  CHECK(report.received_bytes == 200);
  CHECK(report.sent_uncompressed_bytes == 4000);
  CHECK(report.compute_seconds == 2);
  CHECK(report.encode_seconds == 0.5);
  CHECK(report.evaluate_seconds == 1);
  CHECK(report.train_seconds == 9);
  CHECK(report.wait_seconds == 6.5);
  CHECK(report.parameters_sha256 == sha256_of(std::span(model)));
}

TEST_CASE("report: a node that was never evaluated tells the loss of its newest step") {
  Progress progress;
  progress.step_loss = 0.7;
  const NodeReport report = report_of("n0", progress, {});
  CHECK(report.loss == 0.7);
  CHECK_FALSE(report.accuracy.has_value());
  CHECK_FALSE(report.relative_error.has_value());
}

// The vectors of FIPS 180-4; the float is 1.0 in little-endian order.
TEST_CASE("report: SHA-256 of known inputs") {
  CHECK(sha256_of(std::string_view()) ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_of(std::string_view("abc")) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const float one = 1;
  CHECK(sha256_of(std::span(&one, 1)) == sha256_of(std::string_view("\0\0\x80\x3f", 4)));
}

TEST_CASE("report: means, minimum and the slowest node of a run") {
  RunReport report;
  report.nodes = {node_report("a", 10, 1), node_report("b", 12, 2)};
  report.nodes[0].accuracy = 0.5;
  report.nodes[1].accuracy = 0.75;
  report.nodes[0].relative_error = 0.03;
  report.nodes[1].relative_error = 0.04;
  report.nodes[0].train_seconds = 8;
  report.nodes[1].train_seconds = 7;
  summarize(report);
  CHECK(report.rounds == 12);
  CHECK(report.train_seconds == 8);
  CHECK(report.mean_loss == 1.5);
  CHECK(report.mean_accuracy == 0.625);
  CHECK(report.min_accuracy == 0.5);
  // Specification §0: sqrt(mean_i ‖x_i - x*‖²) / ‖x*‖.
  CHECK(report.relative_error.value() == doctest::Approx(std::sqrt((9e-4 + 16e-4) / 2)));
}

TEST_CASE("report: what is not known of every node is left out") {
  RunReport report;
  report.nodes = {node_report("a", 1, 1), node_report("b", 1, 2)};
  report.nodes[0].accuracy = 0.5;
  report.nodes[0].relative_error = 0.03;
  summarize(report);
  CHECK(report.mean_accuracy == 0.5);  // of those that have one
  CHECK_FALSE(report.relative_error.has_value());
  RunReport empty;
  summarize(empty);
  CHECK(empty.mean_loss == 0);
  CHECK_FALSE(empty.mean_accuracy.has_value());
  CHECK_FALSE(empty.relative_error.has_value());
}

TEST_CASE("report: the keys of the JSON form, in order") {
  RunReport report;
  report.virtual_seconds = 1;
  report.consensus_distance = 0.1;
  report.nodes = {node_report("a", 10, 1)};
  report.nodes[0].accuracy = 0.5;
  report.nodes[0].relative_error = 0.2;
  summarize(report);
  const auto json = to_json(report);
  CHECK(keys_of(json) == std::vector<std::string>{
                             "run", "algorithm", "rounds", "wall_seconds", "train_seconds",
                             "virtual_seconds", "mean_accuracy", "min_accuracy", "mean_loss",
                             "sent_bytes_mean", "consensus_distance", "relative_error", "nodes"});
  CHECK(keys_of(json["nodes"][0]) ==
        std::vector<std::string>{"name", "round", "loss", "accuracy", "relative_error",
                                 "sent_bytes", "sent_uncompressed_bytes", "received_bytes",
                                 "compute_seconds", "encode_seconds", "wait_seconds",
                                 "evaluate_seconds", "train_seconds", "parameters_sha256"});
}

TEST_CASE("report: what is not known has no key, and the missing are named") {
  RunReport report;
  report.nodes = {node_report("a", 10, 1)};
  report.missing = {"b"};
  summarize(report);
  const auto json = to_json(report);
  for (const char* key : {"virtual_seconds", "mean_accuracy", "min_accuracy", "consensus_distance",
                          "relative_error"}) {
    CHECK_FALSE(json.contains(key));
  }
  CHECK(json["missing"] == nlohmann::ordered_json::array({"b"}));
  CHECK_FALSE(json["nodes"][0].contains("accuracy"));
}

TEST_CASE("report: a node's JSON is read back, and missing keys keep their defaults") {
  NodeReport report = node_report("a", 10, 0.25);
  report.accuracy = 0.5;
  report.sent_bytes = std::uint64_t{1} << 40;
  report.wait_seconds = 1.5;
  report.parameters_sha256 = "00ff";
  report.resumed_at = 60;
  const NodeReport again = node_report_from_json(to_json(report));
  CHECK(to_json(again) == to_json(report));
  CHECK(node_report_from_json(nlohmann::ordered_json::object()).round == 0);
}

// JSON has no NaN: a number that is none is written as null, and another process reads that.
TEST_CASE("report: a node that diverged is read back from text") {
  const std::string text = to_json(node_report("a", 3, NAN)).dump();
  CHECK(text.find("\"loss\":null") != std::string::npos);
  CHECK(std::isnan(node_report_from_json(nlohmann::ordered_json::parse(text)).loss));
}
