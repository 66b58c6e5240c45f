// The figures of a node, by Prometheus' rules for names and text.
#include "daemon/metrics.h"

#include <doctest/doctest.h>
#include <prometheus/metric_family.h>

#include <set>
#include <sstream>

using namespace starling;
using namespace starling::daemon;
using namespace std::chrono_literals;

namespace {

struct Node {
  node::Progress progress;
  Tally tally;
  node::Consensus consensus;

  Figures figures(const std::string& name = "n0") const {
    peer::LinkStatus link;
    link.peer = node_id(1);
    link.state = peer::LinkState::up;
    link.losses = 3;
    return {.run = "r",
            .node = name,
            .algorithm = "cold",
            .rounds = 10,
            .uptime_seconds = 2.5,
            .memory_forecast_bytes = 1000,
            .progress = progress,
            .tally = tally,
            .consensus = consensus,
            .peers = {{.name = "n1", .weight = 0.25, .link = link}}};
  }
  std::string text(const std::string& name = "n0") const {
    return text_of(families_of(figures(name)));
  }
};

bool has_line(const std::string& text, const std::string& wanted) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line == wanted) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("metrics: names have the prefix, a base unit, and _total where they only grow") {
  Node node;
  node.progress.evaluation = train::Evaluation{.loss = 1, .accuracy = 0.5, .relative_error = 0.1};
  node.tally.checkpointed(true);
  std::set<std::string> names;
  for (const auto& family : families_of(node.figures())) {
    CAPTURE(family.name);
    CHECK(names.insert(family.name).second);
    CHECK((family.name.starts_with("starling_") || family.name.starts_with("process_")));
    CHECK(family.name.ends_with("_total") == (family.type == prometheus::MetricType::Counter));
    CHECK(family.help.ends_with("."));
    for (const char* wrong : {"milliseconds", "_ms", "kilobytes", "percent"}) {
      CHECK(family.name.find(wrong) == std::string::npos);
    }
    for (const auto& metric : family.metric) {
      CHECK(metric.label.front().name == "node");
    }
  }
  CHECK(names.contains("starling_evaluation_accuracy_ratio"));
  CHECK(names.contains("starling_checkpoint_age_seconds"));
}

TEST_CASE("metrics: what is not known is not there") {
  const std::string text = Node{}.text();
  CHECK(text.find("accuracy") == std::string::npos);
  CHECK(text.find("checkpoint_age") == std::string::npos);
  CHECK(text.find("consensus") == std::string::npos);
  CHECK(text.find("peer_distance") == std::string::npos);
  CHECK(has_line(text, "starling_peers_up{node=\"n0\"} 1"));
  CHECK(has_line(text, "starling_peer_losses_total{node=\"n0\",peer=\"n1\"} 3"));
  CHECK(has_line(text, "starling_phase{node=\"n0\",phase=\"waiting\"} 1"));
  CHECK(has_line(text, "starling_phase{node=\"n0\",phase=\"paused\"} 0"));
}

TEST_CASE("metrics: a round is counted where its parts belong, from where the process began") {
  Node node;
  node.progress.compute = 100s;  // in the process before
  node.tally.begin(node.progress);
  node.progress.compute += 20ms;
  node.progress.encode += 1s;
  node.progress.elapsed = 101s + 25ms;
  node.tally.round_done(node.progress);
  const std::string text = node.text();
  const auto bucket = [&](const char* phase, const char* le, int count) {
    return has_line(text, "starling_round_duration_seconds_bucket{node=\"n0\",phase=\"" +
                              std::string(phase) + "\",le=\"" + le + "\"} " +
                              std::to_string(count));
  };
  CHECK(bucket("compute", "0.01", 0));
  CHECK(bucket("compute", "0.025", 1));
  CHECK(bucket("encode", "1", 1));
  CHECK(bucket("encode", "0.5", 0));
  CHECK(bucket("wait", "0.005", 1));
  CHECK(bucket("wait", "+Inf", 1));
}

TEST_CASE("metrics: how far the models are apart") {
  Node node;
  node::ModelSketch ours{64, {}}, theirs{64, {}};
  ours.cells[0] = 4;
  theirs.cells[0] = 5;
  node.consensus.note_own(ours);
  REQUIRE(node.consensus.note(node_id(1), 64, std::as_bytes(std::span(theirs.cells))).ok());
  const std::string text = node.text();
  CHECK(has_line(text, "starling_consensus_distance_ratio{node=\"n0\"} 0.25"));
  CHECK(has_line(text, "starling_consensus_round{node=\"n0\"} 64"));
  CHECK(has_line(text, "starling_peer_distance_ratio{node=\"n0\",peer=\"n1\"} 0.25"));
}

TEST_CASE("metrics: updates that did not count are counted by reason") {
  Node node;
  node.tally.left_out(node_id(1));
  node.tally.left_out(node_id(1));
  node.tally.rejected(node_id(1));
  const std::string text = node.text();
  const std::string name = "starling_peer_updates_rejected_total{node=\"n0\",peer=\"n1\",reason=";
  CHECK(has_line(text, name + "\"late\"} 2"));
  CHECK(has_line(text, name + "\"invalid\"} 1"));
}

TEST_CASE("metrics: of several nodes each family has one heading") {
  const std::string all = joined({Node{}.text("n0"), Node{}.text("n1")});
  std::set<std::string> headings;
  std::istringstream in(all);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# TYPE")) CHECK(headings.insert(line).second);
  }
  CHECK(has_line(all, "starling_uptime_seconds{node=\"n0\"} 2.5"));
  CHECK(has_line(all, "starling_uptime_seconds{node=\"n1\"} 2.5"));
  CHECK(joined({Node{}.text()}).find("\n\n") == std::string::npos);
}
