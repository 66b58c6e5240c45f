#include "daemon/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace starling::daemon {
namespace {

// Columns on the screen: one for each character, whatever its bytes in UTF-8.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string optional_percent(const std::optional<double>& share) {
  return share ? percent_text(*share) : "-";
}

std::vector<std::string> result_row(const node::RunReport& r, bool error, bool virtual_time) {
  std::uint64_t sent = 0, raw = 0;
  for (const node::NodeReport& node : r.nodes) {
    sent += node.sent_bytes;
    raw += node.sent_uncompressed_bytes;
  }
  std::vector<std::string> row = {r.label.empty() ? r.algorithm : r.label};
  if (error) {
    row.push_back(r.relative_error ? fmt::format("{:.3g}", *r.relative_error) : "-");
  } else {
    row.push_back(optional_percent(r.mean_accuracy));
    row.push_back(optional_percent(r.min_accuracy));
  }
  row.push_back(fmt::format("{:.4f}", r.mean_loss));
  row.push_back(r.consensus_distance ? fmt::format("{:.2g}", *r.consensus_distance) : "-");
  row.push_back(fmt::format("{}", r.rounds));
  row.push_back(bytes_text(r.sent_bytes_mean));
  row.push_back(ratio_text(raw, sent));
  if (virtual_time) row.push_back(fmt::format("{:.2f}", r.virtual_seconds.value_or(0)));
  row.push_back(fmt::format("{:.1f}", r.wall_seconds));
  return row;
}

}  // namespace

std::string Table::text() const {
  if (rows_.empty()) return {};
  std::vector<std::size_t> widths(rows_[0].size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  }
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string padding(widths[c] - width_of(row[c]), ' ');
      if (c > 0) out += "  ";
      out += c == 0 ? row[c] + padding : padding + row[c];
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    out += '\n';
  }
  return out;
}

std::string bytes_text(double bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.2f} {}", bytes, kUnits[unit]);
}

std::string percent_text(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string apart_text(double distance) { return fmt::format("{:.2g}", distance); }

std::string ratio_text(std::uint64_t uncompressed, std::uint64_t sent) {
  if (sent == 0) return "-";
  return fmt::format("{:.1f}x", static_cast<double>(uncompressed) / static_cast<double>(sent));
}

Table result_table(const std::vector<node::RunReport>& reports) {
  const bool error = std::ranges::any_of(
      reports, [](const node::RunReport& r) { return r.relative_error.has_value(); });
  const bool virtual_time = std::ranges::any_of(
      reports, [](const node::RunReport& r) { return r.virtual_seconds.has_value(); });
  const bool labelled =
      std::ranges::any_of(reports, [](const node::RunReport& r) { return !r.label.empty(); });
  std::vector<std::string> header = {labelled ? "run" : "algorithm"};
  if (error) {
    header.push_back("relative error");
  } else {
    header.insert(header.end(), {"accuracy mean", "worst node"});
  }
  header.insert(header.end(), {"loss", "consensus", "rounds", "sent a node", "of raw"});
  if (virtual_time) header.push_back("virtual s");
  header.push_back("seconds");
  Table table(header);
  for (const node::RunReport& report : reports) {
    table.add(result_row(report, error, virtual_time));
  }
  return table;
}

}  // namespace starling::daemon
