#include "daemon/run_folder.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "node/safetensors.h"
#include "scratch.h"

using namespace starling;
using namespace starling::daemon;

namespace {

constexpr const char* kLine =
    "2026-11-27 13:44:47.250 n0 info round=9 loss=0.5 sent=1000 received=900 compute=1.000 "
    "encode=0.100 wait=0.200";

// A run's folder that is filled file by file.
struct Folder : Scratch {
  Folder() { std::filesystem::create_directory(run()); }
  std::filesystem::path run() const { return path / "powergossip"; }

  void log(const std::string& node, const std::string& text) const {
    std::ofstream(run() / (node + ".log")) << text;
  }
  void report(const std::string& node, double accuracy, std::uint64_t sent) const {
    node::NodeReport r;
    r.name = node;
    r.round = 10;
    r.accuracy = accuracy;
    r.sent_bytes = sent;
    r.train_seconds = 4;
    r.compute_seconds = 1;
    r.wait_seconds = 2;
    std::ofstream(run() / (node + ".json")) << node::to_json(r).dump() << "\n";
  }
  void model(const std::string& node, const std::vector<float>& parameters) const {
    TensorLayout layout;
    layout.add("w", {parameters.size()});
    REQUIRE(node::write_safetensors(run() / (node + ".safetensors"), layout, parameters, {}));
  }
};

std::string error_of(const std::filesystem::path& folder) {
  const auto read = read_run_folder(folder);
  REQUIRE(!read);
  CHECK(read.error().code == ErrorCode::io);
  return read.error().message;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("a logged round: read from text and from JSON") {
  const std::string json =
      R"({"time":"2026-11-27T13:44:47.250+0000","level":"info","node":"n0",)"
      R"("message":"round=9 loss=0.5 sent=1000 test_loss=0.25 accuracy=0.875"})";
  const auto from_text = logged_round(kLine), from_json = logged_round(json);
  REQUIRE(from_text);
  REQUIRE(from_json);
  CHECK(from_text->at_seconds == from_json->at_seconds);
  CHECK(from_text->progress.rounds_done == 10);
  CHECK(from_text->progress.step_loss == 0.5);
  CHECK(from_text->progress.sent_bytes == 1000);
  CHECK(!from_text->progress.evaluation);
  REQUIRE(from_json->progress.evaluation);
  CHECK(from_json->progress.evaluation->loss == 0.25);
  CHECK(from_json->progress.evaluation->accuracy == 0.875);
  CHECK(from_json->progress.evaluated_rounds == 10);
}

TEST_CASE("a logged round: lines that tell of something else") {
  CHECK(!logged_round("2026-11-27 13:44:47.250 n0 info n1 is up, epoch 1"));
  CHECK(!logged_round("round=9 loss=0.5 sent=1000"));
  CHECK(!logged_round("2026-11-27 13:44:47.250 n0 info round=x loss=0.5 sent=1000"));
  CHECK(!logged_round("2026-11-27 13:44:47.250 n0 info around=9 loss=0.5 sent=1000"));
  CHECK(!logged_round(""));
}

TEST_CASE("a run's folder: reports, models and logs of two nodes") {
  const Folder folder;
  folder.report("n0", 0.9, 100);
  folder.report("n1", 0.7, 300);
  folder.model("n0", {0, 0});
  folder.model("n1", {6, 8});
  folder.log("n0",
             "2026-11-27 13:44:46.000 n0 info run 'x'\n"
             "2026-11-27 13:44:47.000 n0 info round=0 loss=9 sent=5\n"
             "2026-11-27 13:44:47.500 n0 info round=0 loss=2 sent=10\n");
  folder.log("n1", "2026-11-27 13:44:48.500 n1 info round=0 loss=4 sent=30 test_loss=1\n");
  const auto read = read_run_folder(folder.run());
  REQUIRE(read);
  CHECK(read->report.label == "powergossip");
  CHECK(read->report.wall_seconds == 2.5);
  CHECK(read->report.min_accuracy == 0.7);
  CHECK(read->report.sent_bytes_mean == 200);
  CHECK(read->report.consensus_distance == 1.0);
  CHECK(read->report.missing.empty());
  REQUIRE(read->traced.lines.size() == 1);
  const TraceLine& line = read->traced.lines[0];
  CHECK(line.round == 1);
  CHECK(line.nodes == 2);
  CHECK(line.seconds == 2.5);
  CHECK(line.mean_step_loss == 3);  // n0's second time counts
  CHECK(line.mean_sent_bytes == 20);
  CHECK(line.mean_loss == 1);
  CHECK(line.consensus_distance == 1.0);

  const std::string table = measured_table({read->report}).text();
  CHECK(has(table, "25.0 %"));
  CHECK(has(table, "50.0 %"));
  const std::string csv = to_csv({read->report});
  CHECK(has(csv, "\npowergossip,2,10,0.8,0.7,"));
  CHECK(has(csv, ",200,2.5,4,0.25,0,0.5\n"));
}

TEST_CASE("a run's folder: a node that left a log and no report is missing") {
  const Folder folder;
  folder.report("n0", 0.9, 100);
  folder.log("n1", std::string(kLine) + "\n");
  const auto read = read_run_folder(folder.run());
  REQUIRE(read);
  CHECK(read->report.missing == std::vector<std::string>{"n1"});
  CHECK(!read->report.consensus_distance);
}

TEST_CASE("a run's folder: what is wrong with it is said") {
  const Folder folder;
  CHECK(has(error_of(folder.path / "none"), "none: cannot be read"));
  CHECK(has(error_of(folder.run()), "found no report of a node"));
  folder.report("n0", 0.9, 100);
  folder.report("n1", 0.9, 100);
  folder.model("n0", {1, 2});
  folder.model("n1", {1});
  CHECK(has(error_of(folder.run()), "n1.safetensors: found 1 parameters, expected 2 as n0 has"));
  std::ofstream(folder.run() / "n1.json") << "[]";
  CHECK(has(error_of(folder.run()), "n1.json: expected the report of a node"));
  std::ofstream(folder.run() / "n1.json") << R"({"round": "many"})";
  CHECK(has(error_of(folder.run()), "n1.json: is no report of a node"));
}
