// What is said of a run when it is over, by `up` and `simulate` alike.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "node/core.h"

namespace starling::node {

struct NodeReport {
  std::string name;
  Round round = 0;  // rounds done
  double loss = 0;  // of the newest evaluation
  std::optional<double> accuracy, relative_error;
  std::uint64_t sent_bytes = 0, sent_uncompressed_bytes = 0, received_bytes = 0;
  double compute_seconds = 0, encode_seconds = 0, wait_seconds = 0, evaluate_seconds = 0;
  double train_seconds = 0;  // from the first round to the last, evaluations left out
  std::string parameters_sha256;
  std::optional<Round> resumed_at;  // rounds done when it went on from a checkpoint
};

struct RunReport {
  std::string run, algorithm;
  std::string label;         // among others of one call; empty: the algorithm tells it
  Round rounds = 0;          // of the node that did most
  double wall_seconds = 0;   // of the whole run, start and evaluations included
  double train_seconds = 0;  // of the slowest node, evaluations left out
  std::optional<double> virtual_seconds;
  std::optional<double> mean_accuracy, min_accuracy, relative_error;
  double mean_loss = 0;
  double sent_bytes_mean = 0;                    // of a node
  std::optional<double> node_rounds_per_second;  // of wall time; the simulator's alone
  std::optional<double> consensus_distance;      // absent when a node's model is not at hand
  std::vector<NodeReport> nodes;
  std::vector<std::string> missing;  // nodes that did not live to report
};

NodeReport report_of(const std::string& name, const Progress& progress,
                     std::span<const float> model);

// Fills in what follows from report.nodes: rounds, train_seconds, means, minimum, relative
// error (root mean square over the nodes).
void summarize(RunReport& report);

// Root mean square distance of the models from their mean, relative to the mean's norm; 0 for a
// single model, absent for none.
std::optional<double> consensus_distance(const std::vector<std::span<const float>>& models);

nlohmann::ordered_json to_json(const NodeReport& report);
nlohmann::ordered_json to_json(const RunReport& report);
// Of what to_json(NodeReport) made; keys that are missing stay at their defaults.
NodeReport node_report_from_json(const nlohmann::ordered_json& json);

}  // namespace starling::node
