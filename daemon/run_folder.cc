#include "daemon/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "node/safetensors.h"
#include "protocol/io_error.h"

namespace starling::daemon {
namespace {

namespace fs = std::filesystem;

// The value behind "key=", as a number.
template <typename Number>
std::optional<Number> number_of(std::string_view line, std::string_view key) {
  for (std::size_t at = line.find(key); at != std::string_view::npos; at = line.find(key, at + 1)) {
    if (at == 0 || (line[at - 1] != ' ' && line[at - 1] != '"')) continue;
    const char* begin = line.data() + at + key.size();
    Number value{};
    const auto [end, failed] = std::from_chars(begin, line.data() + line.size(), value);
    if (failed == std::errc{} && end != begin) return value;
  }
  return std::nullopt;
}

// ---- files ----------------------------------------------------------------------------------

struct Log {
  double first = std::numeric_limits<double>::infinity(), last = -first;
  std::map<Round, LoggedRound> rounds;
};

Log read_log(const fs::path& file) {
  Log log;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto at = logged_at(line);
    if (!at) continue;
    log.first = std::min(log.first, *at);
    log.last = std::max(log.last, *at);
    if (auto round = logged_round(line)) log.rounds[round->progress.rounds_done] = *round;
  }
  return log;
}

Result<node::NodeReport> read_report(const fs::path& file) {
  std::ifstream in(file);
  const auto json = nlohmann::ordered_json::parse(in, nullptr, false);
  if (!json.is_object() || !json.contains("round")) {
    return io_error(file, "expected the report of a node, as starlingd --json prints it");
  }
  try {
    return node::node_report_from_json(json);
  } catch (const nlohmann::json::exception& wrong) {
    return io_error(file, fmt::format("is no report of a node: {}", wrong.what()));
  }
}

Result<std::vector<fs::path>> files_of(const fs::path& folder, const char* extension) {
  std::vector<fs::path> files;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    if (at->path().extension() == extension) files.push_back(at->path());
  }
  if (failed) return io_error(folder, fmt::format("cannot be read: {}", failed.message()));
  std::ranges::sort(files);
  return files;
}

// Absent where a node's model is.
Result<std::optional<double>> consensus_of(const fs::path& folder, const node::RunReport& report) {
  std::vector<node::Model> models;
  for (const node::NodeReport& node : report.nodes) {
    const fs::path file = folder / (node.name + ".safetensors");
    if (!fs::exists(file)) return std::optional<double>{};
    auto model = node::read_safetensors(file);
    if (!model) return model.error();
    models.push_back(std::move(*model));
    const std::size_t size = models.back().parameters.size();
    if (size != models[0].parameters.size()) {
      return io_error(file, fmt::format("found {} parameters, expected {} as {} has", size,
                                        models[0].parameters.size(), report.nodes[0].name));
    }
  }
  std::vector<std::span<const float>> parameters;
  for (const node::Model& model : models) parameters.push_back(model.parameters);
  return node::consensus_distance(parameters);
}

TracedRun traced_of(const std::string& label, const std::vector<Log>& logs, double begin) {
  Trace trace(logs.size());
  for (const Log& log : logs) {
    for (const auto& [number, round] : log.rounds) {
      const auto since = std::chrono::duration<double>(round.at_seconds - begin);
      trace.note(std::chrono::duration_cast<Duration>(since), round.progress, {});
    }
  }
  TracedRun run{label, trace.lines()};
  // The models of those rounds are gone.
  for (TraceLine& line : run.lines) line.consensus_distance.reset();
  return run;
}

double share(const node::RunReport& report, double node::NodeReport::*part) {
  double sum = 0, whole = 0;
  for (const node::NodeReport& node : report.nodes) {
    sum += node.*part;
    whole += node.train_seconds;
  }
  return whole > 0 ? sum / whole : 0;
}

}  // namespace

std::optional<double> logged_at(std::string_view line) {
  constexpr std::string_view kJson = R"({"time":")";
  if (line.starts_with(kJson)) line.remove_prefix(kJson.size());
  std::tm tm{};
  const std::string text(line.substr(0, 23));  // 2026-11-27 13:44:47.123
  int milliseconds = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2d%*[ T]%2d:%2d:%2d.%3d", &tm.tm_year, &tm.tm_mon,
                  &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &milliseconds) != 7) {
    return std::nullopt;
  }
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  return static_cast<double>(::timegm(&tm)) + milliseconds / 1000.0;
}

std::optional<LoggedRound> logged_round(std::string_view line) {
  const auto at = logged_at(line);
  const auto round = number_of<Round>(line, "round=");
  const auto loss = number_of<double>(line, "loss=");
  const auto sent = number_of<std::uint64_t>(line, "sent=");
  if (!at || !round || !loss || !sent) return std::nullopt;
  LoggedRound logged{.at_seconds = *at};
  node::Progress& p = logged.progress;
  p.rounds_done = *round + 1;  // the log counts from 0
  p.step_loss = *loss;
  p.sent_bytes = *sent;
  if (const auto test_loss = number_of<double>(line, "test_loss=")) {
    p.evaluation = train::Evaluation{*test_loss, number_of<double>(line, "accuracy="),
                                     number_of<double>(line, "relative_error=")};
    p.evaluated_rounds = p.rounds_done;
  }
  return logged;
}

Result<RunFolder> read_run_folder(const fs::path& folder) {
  const auto reports = files_of(folder, ".json");
  if (!reports) return reports.error();
  if (reports->empty()) {
    return io_error(folder,
                    "found no report of a node in it, expected files such as n0.json with "
                    "what starlingd --json prints");
  }
  RunFolder run;
  run.report.label = fs::absolute(folder).lexically_normal().filename().string();
  if (run.report.label.empty()) {  // "results/"
    run.report.label = fs::absolute(folder).lexically_normal().parent_path().filename().string();
  }
  for (const fs::path& file : *reports) {
    auto report = read_report(file);
    if (!report) return report.error();
    run.report.nodes.push_back(std::move(*report));
  }
  node::summarize(run.report);
  auto consensus = consensus_of(folder, run.report);
  if (!consensus) return consensus.error();
  run.report.consensus_distance = *consensus;

  const auto files = files_of(folder, ".log");
  if (!files) return files.error();
  std::vector<Log> logs;
  double first = std::numeric_limits<double>::infinity(), last = -first;
  for (const fs::path& file : *files) {
    const std::string name = file.stem().string();
    if (std::ranges::find(run.report.nodes, name, &node::NodeReport::name) ==
        run.report.nodes.end()) {
      run.report.missing.push_back(name);
    }
    logs.push_back(read_log(file));
    first = std::min(first, logs.back().first);
    last = std::max(last, logs.back().last);
  }
  if (last > first) run.report.wall_seconds = last - first;
  run.traced = traced_of(run.report.label, logs, first);
  if (!run.traced.lines.empty()) {
    run.traced.lines.back().consensus_distance = run.report.consensus_distance;
  }
  return run;
}

Table measured_table(const std::vector<node::RunReport>& reports) {
  const Table results = result_table(reports);
  std::vector<std::string> header = results.rows()[0];
  header.insert(header.end(), {"compute", "encode", "wait"});
  Table table(header);
  for (std::size_t i = 0; i < reports.size(); ++i) {
    std::vector<std::string> row = results.rows()[i + 1];
    for (const auto part : {&node::NodeReport::compute_seconds, &node::NodeReport::encode_seconds,
                            &node::NodeReport::wait_seconds}) {
      row.push_back(percent_text(share(reports[i], part)));
    }
    table.add(std::move(row));
  }
  return table;
}

std::string to_csv(const std::vector<node::RunReport>& reports) {
  std::string out =
      "run,nodes,rounds,mean_accuracy,min_accuracy,mean_loss,relative_error,consensus_distance,"
      "sent_bytes_mean,wall_seconds,train_seconds,compute_share,encode_share,wait_share\n";
  const auto field = [](const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : std::string();
  };
  for (const node::RunReport& r : reports) {
    out += fmt::format(
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_text(r.label), r.nodes.size(), r.rounds,
        field(r.mean_accuracy), field(r.min_accuracy), r.mean_loss, field(r.relative_error),
        field(r.consensus_distance), r.sent_bytes_mean, r.wall_seconds, r.train_seconds,
        share(r, &node::NodeReport::compute_seconds), share(r, &node::NodeReport::encode_seconds),
        share(r, &node::NodeReport::wait_seconds));
  }
  return out;
}

}  // namespace starling::daemon
