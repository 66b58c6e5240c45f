#include "node/report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "node/digest.h"

namespace starling::node {
namespace {

using Json = nlohmann::ordered_json;

void put(Json& json, const char* key, const std::optional<double>& value) {
  if (value) json[key] = *value;
}

// Absent and null are the same: JSON has no NaN, so the loss of a node that diverged is null.
std::optional<double> optional_from(const Json& json, const char* key) {
  if (!json.contains(key) || !json[key].is_number()) return std::nullopt;
  return json[key].get<double>();
}

std::optional<double> mean_of(const std::vector<NodeReport>& nodes,
                              std::optional<double> NodeReport::*field) {
  double sum = 0;
  std::size_t count = 0;
  for (const NodeReport& node : nodes) {
    const std::optional<double>& value = node.*field;
    if (!value) continue;
    sum += *value;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

}  // namespace

NodeReport report_of(const std::string& name, const Progress& p, std::span<const float> model) {
  NodeReport r;
  r.name = name;
  r.round = p.rounds_done;
  r.loss = p.evaluation ? p.evaluation->loss : p.step_loss;
  if (p.evaluation) {
    r.accuracy = p.evaluation->accuracy;
    r.relative_error = p.evaluation->relative_error;
  }
  r.sent_bytes = p.sent_bytes;
  r.sent_uncompressed_bytes = p.sent_uncompressed_bytes;
  r.received_bytes = p.received_bytes;
  r.compute_seconds = seconds(p.compute);
  r.encode_seconds = seconds(p.encode);
  r.wait_seconds = seconds(p.wait());
  r.evaluate_seconds = seconds(p.evaluate);
  r.train_seconds = seconds(p.train());
  r.parameters_sha256 = sha256_of(model);
  return r;
}

void summarize(RunReport& report) {
  report.mean_accuracy = mean_of(report.nodes, &NodeReport::accuracy);
  report.mean_loss = report.sent_bytes_mean = 0;
  const auto nodes = static_cast<double>(report.nodes.size());
  double squares = 0;
  bool all_know_optimum = !report.nodes.empty();
  for (const NodeReport& node : report.nodes) {
    report.rounds = std::max(report.rounds, node.round);
    report.train_seconds = std::max(report.train_seconds, node.train_seconds);
    report.mean_loss += node.loss / nodes;
    report.sent_bytes_mean += static_cast<double>(node.sent_bytes) / nodes;
    if (node.accuracy) {
      report.min_accuracy = std::min(report.min_accuracy.value_or(1.0), *node.accuracy);
    }
    all_know_optimum = all_know_optimum && node.relative_error.has_value();
    squares += std::pow(node.relative_error.value_or(0), 2);
  }
  if (all_know_optimum) {
    report.relative_error = std::sqrt(squares / nodes);
  }
}

std::optional<double> consensus_distance(const std::vector<std::span<const float>>& models) {
  if (models.empty()) return std::nullopt;
  const auto count = static_cast<double>(models.size());
  double distance = 0, norm = 0;
  for (std::size_t k = 0; k < models[0].size(); ++k) {
    double mean = 0;
    for (const auto& model : models) mean += model[k] / count;
    norm += mean * mean;
    for (const auto& model : models) distance += (model[k] - mean) * (model[k] - mean) / count;
  }
  return norm > 0 ? std::sqrt(distance / norm) : std::sqrt(distance);
}

Json to_json(const NodeReport& r) {
  Json json;
  json["name"] = r.name;
  json["round"] = r.round;
  json["loss"] = r.loss;
  put(json, "accuracy", r.accuracy);
  put(json, "relative_error", r.relative_error);
  json["sent_bytes"] = r.sent_bytes;
  json["sent_uncompressed_bytes"] = r.sent_uncompressed_bytes;
  json["received_bytes"] = r.received_bytes;
  json["compute_seconds"] = r.compute_seconds;
  json["encode_seconds"] = r.encode_seconds;
  json["wait_seconds"] = r.wait_seconds;
  json["evaluate_seconds"] = r.evaluate_seconds;
  json["train_seconds"] = r.train_seconds;
  json["parameters_sha256"] = r.parameters_sha256;
  if (r.resumed_at) json["resumed_at"] = *r.resumed_at;
  return json;
}

Json to_json(const RunReport& r) {
  Json json;
  json["run"] = r.run;
  json["algorithm"] = r.algorithm;
  if (!r.label.empty()) json["label"] = r.label;
  json["rounds"] = r.rounds;
  json["wall_seconds"] = r.wall_seconds;
  json["train_seconds"] = r.train_seconds;
  put(json, "virtual_seconds", r.virtual_seconds);
  put(json, "node_rounds_per_second", r.node_rounds_per_second);
  put(json, "mean_accuracy", r.mean_accuracy);
  put(json, "min_accuracy", r.min_accuracy);
  json["mean_loss"] = r.mean_loss;
  json["sent_bytes_mean"] = r.sent_bytes_mean;
  put(json, "consensus_distance", r.consensus_distance);
  put(json, "relative_error", r.relative_error);
  json["nodes"] = Json::array();
  for (const NodeReport& node : r.nodes) json["nodes"].push_back(to_json(node));
  if (!r.missing.empty()) json["missing"] = r.missing;
  return json;
}

NodeReport node_report_from_json(const Json& json) {
  NodeReport r;
  r.name = json.value("name", "");
  r.round = json.value("round", Round{0});
  r.loss = optional_from(json, "loss").value_or(std::numeric_limits<double>::quiet_NaN());
  r.accuracy = optional_from(json, "accuracy");
  r.relative_error = optional_from(json, "relative_error");
  r.sent_bytes = json.value("sent_bytes", std::uint64_t{0});
  r.sent_uncompressed_bytes = json.value("sent_uncompressed_bytes", std::uint64_t{0});
  r.received_bytes = json.value("received_bytes", std::uint64_t{0});
  r.compute_seconds = json.value("compute_seconds", 0.0);
  r.encode_seconds = json.value("encode_seconds", 0.0);
  r.wait_seconds = json.value("wait_seconds", 0.0);
  r.evaluate_seconds = json.value("evaluate_seconds", 0.0);
  r.train_seconds = json.value("train_seconds", 0.0);
  r.parameters_sha256 = json.value("parameters_sha256", "");
  if (json.contains("resumed_at")) r.resumed_at = json.value("resumed_at", Round{0});
  return r;
}

}  // namespace starling::node
