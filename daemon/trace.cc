#include "daemon/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "protocol/check.h"

namespace starling::daemon {
namespace {

constexpr std::size_t kOpenMax = 8;

struct Column {
  const char* name;
  std::optional<double> (*value)(const TraceLine&);
};

using Line = TraceLine;
constexpr Column kColumns[] = {
    {"round", [](const Line& l) { return std::optional(static_cast<double>(l.round)); }},
    {"nodes", [](const Line& l) { return std::optional(static_cast<double>(l.nodes)); }},
    {"virtual_seconds", [](const Line& l) { return std::optional(l.seconds); }},
    {"step_loss_mean", [](const Line& l) { return std::optional(l.mean_step_loss); }},
    {"step_loss_max", [](const Line& l) { return std::optional(l.max_step_loss); }},
    {"sent_bytes_mean", [](const Line& l) { return std::optional(l.mean_sent_bytes); }},
    {"loss_mean", [](const Line& l) { return l.mean_loss; }},
    {"accuracy_mean", [](const Line& l) { return l.mean_accuracy; }},
    {"accuracy_worst", [](const Line& l) { return l.min_accuracy; }},
    {"relative_error", [](const Line& l) { return l.relative_error; }},
    {"consensus_distance", [](const Line& l) { return l.consensus_distance; }},
};

}  // namespace

// The differences from one of the models are as small as the spread itself, so that little is lost
// where their mean is subtracted from their squares.
void Spread::add(std::span<const float> model) {
  if (models_++ == 0) {
    first_.assign(model.begin(), model.end());
    sum_.assign(model.size(), 0);
    return;
  }
  INVARIANT(model.size() == first_.size());
  double squares = 0;
  for (std::size_t k = 0; k < model.size(); ++k) {
    const double difference = static_cast<double>(model[k]) - first_[k];
    sum_[k] += difference;
    squares += difference * difference;
  }
  squares_ += squares;
}

double Spread::distance() const {
  INVARIANT(models_ > 0);
  const auto count = static_cast<double>(models_);
  double norm = 0, shift = 0;
  for (std::size_t k = 0; k < first_.size(); ++k) {
    const double mean = sum_[k] / count;
    shift += mean * mean;
    norm += (first_[k] + mean) * (first_[k] + mean);
  }
  const double distance = std::max(0.0, squares_ / count - shift);
  return norm > 0 ? std::sqrt(distance / norm) : std::sqrt(distance);
}

void Trace::note(Time now, const node::Progress& progress, std::span<const float> model) {
  Sums& sums = rounds_[progress.rounds_done];
  sums.max_step_loss =
      sums.nodes == 0 ? progress.step_loss : std::max(sums.max_step_loss, progress.step_loss);
  ++sums.nodes;
  sums.last = std::max(sums.last, now);
  sums.step_loss += progress.step_loss;
  sums.sent_bytes += static_cast<double>(progress.sent_bytes);
  if (progress.evaluation && progress.evaluated_rounds == progress.rounds_done) {
    note_evaluation(sums, progress, model);
  }
}

void Trace::note_evaluation(Sums& sums, const node::Progress& progress,
                            std::span<const float> model) {
  const train::Evaluation& evaluation = *progress.evaluation;
  ++sums.evaluated;
  sums.loss += evaluation.loss;
  if (evaluation.accuracy) {
    ++sums.accurate;
    sums.accuracy += *evaluation.accuracy;
    sums.min_accuracy = std::min(sums.min_accuracy, *evaluation.accuracy);
  }
  if (evaluation.relative_error) {
    ++sums.known;
    sums.squared_error += std::pow(*evaluation.relative_error, 2);
  }
  if (sums.consensus_distance) return;
  const Round round = progress.rounds_done;
  open_[round].add(model);
  if (sums.evaluated == nodes_) {
    close(round);
  } else if (open_.size() > kOpenMax) {
    close(open_.begin()->first);
  }
}

void Trace::close(Round round) {
  const auto spread = open_.find(round);
  rounds_[round].consensus_distance = spread->second.distance();
  open_.erase(spread);
}

std::vector<TraceLine> Trace::lines() const {
  std::vector<TraceLine> lines;
  for (const auto& [round, sums] : rounds_) {
    const auto nodes = static_cast<double>(sums.nodes);
    TraceLine& line = lines.emplace_back(TraceLine{.round = round,
                                                   .nodes = sums.nodes,
                                                   .seconds = seconds(sums.last),
                                                   .mean_step_loss = sums.step_loss / nodes,
                                                   .max_step_loss = sums.max_step_loss,
                                                   .mean_sent_bytes = sums.sent_bytes / nodes,
                                                   .consensus_distance = sums.consensus_distance});
    if (const auto open = open_.find(round); open != open_.end()) {
      line.consensus_distance = open->second.distance();
    }
    if (sums.evaluated > 0) line.mean_loss = sums.loss / static_cast<double>(sums.evaluated);
    if (sums.accurate > 0) {
      line.mean_accuracy = sums.accuracy / static_cast<double>(sums.accurate);
      line.min_accuracy = sums.min_accuracy;
    }
    if (sums.known > 0) {
      line.relative_error = std::sqrt(sums.squared_error / static_cast<double>(sums.known));
    }
  }
  return lines;
}

std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string to_csv(const std::vector<TracedRun>& runs) {
  std::string out = "run";
  for (const Column& column : kColumns) out += fmt::format(",{}", column.name);
  out += '\n';
  for (const TracedRun& run : runs) {
    for (const TraceLine& line : run.lines) {
      out += csv_text(run.label);
      for (const Column& column : kColumns) {
        out += ',';
        if (const auto value = column.value(line))
          fmt::format_to(std::back_inserter(out), "{}", *value);
      }
      out += '\n';
    }
  }
  return out;
}

std::string to_json_lines(const std::vector<TracedRun>& runs) {
  using Json = nlohmann::ordered_json;
  std::string out;
  for (const TracedRun& run : runs) {
    for (const TraceLine& line : run.lines) {
      Json json = {{"run", run.label}};
      for (const Column& column : kColumns) {
        const auto value = column.value(line);
        if (!value) continue;
        const bool whole =
            column.name == std::string("round") || column.name == std::string("nodes");
        json[column.name] = whole ? Json(static_cast<std::uint64_t>(*value)) : Json(*value);
      }
      out += json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
    }
  }
  return out;
}

}  // namespace starling::daemon
