#include "daemon/report_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "daemon/chart.h"

namespace starling::daemon {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 1400px;
  padding: 0 1.25rem; color: CanvasText; background: Canvas; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem 1rem; border: 1px solid #8886; border-radius: 6px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #8884;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); }
.chart { width: 100%; height: auto; font: 12px system-ui, sans-serif; }
.chart text { fill: currentColor; } .chart .title { font-weight: 600; font-size: 13px; }
.chart .grid { stroke: currentColor; stroke-opacity: .14; }
.chart .frame { fill: none; stroke: currentColor; stroke-opacity: .45; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 0 0 .4rem; padding: 0;
  list-style: none; }
.swatch { vertical-align: middle; margin-right: .4rem; }
)";

using Value = std::optional<double> (*)(const TraceLine&);

// What is drawn of every run against rounds, bytes and time.
struct Quantity {
  const char* title;
  const char* name;  // shorter
  Unit unit = Unit::plain;
  bool logarithmic = false;
  bool only_rounds = false;
  std::vector<std::pair<const char*, Value>> curves = {};  // name behind the run's; the first is it
};

struct Abscissa {
  const char* label;
  const char* name;  // shorter
  Unit unit;
  bool logarithmic;
  double (*value)(const TraceLine&);

  Axis axis() const { return {label, unit, logarithmic}; }
};

bool gets_on(const ReportPage& page, const Abscissa& against) {
  return std::ranges::any_of(page.runs, [&against](const TracedRun& run) {
    return !run.lines.empty() && against.value(run.lines.back()) > 0;
  });
}

// Rounds, and what else a run gets on in: nothing is sent alone, and nothing takes virtual time
// over links without delay.
std::vector<Abscissa> abscissas(const ReportPage& page) {
  const char* seconds = page.virtual_time ? "virtual seconds" : "seconds";
  std::vector<Abscissa> kept = {{"rounds", "rounds", Unit::plain, false,
                                 [](const TraceLine& l) { return static_cast<double>(l.round); }}};
  const Abscissa others[] = {
      {"bytes sent by a node", "bytes", Unit::bytes, true,
       [](const TraceLine& l) { return l.mean_sent_bytes; }},
      {seconds, seconds, Unit::plain, false, [](const TraceLine& l) { return l.seconds; }}};
  for (const Abscissa& other : others)
    if (gets_on(page, other)) kept.push_back(other);
  return kept;
}

std::vector<Quantity> quantities() {
  return {
      {.title = "Loss of the local steps",
       .name = "Loss",
       .logarithmic = true,
       .curves = {{"mean", [](const TraceLine& l) { return std::optional(l.mean_step_loss); }}}},
      {.title = "Accuracy",
       .name = "Accuracy",
       .unit = Unit::share,
       .curves = {{"mean", [](const TraceLine& l) { return l.mean_accuracy; }},
                  {"worst node", [](const TraceLine& l) { return l.min_accuracy; }}}},
      {.title = "Relative error",
       .name = "Relative error",
       .logarithmic = true,
       .curves = {{"all nodes", [](const TraceLine& l) { return l.relative_error; }}}},
      {.title = "Consensus distance",
       .name = "Consensus distance",
       .logarithmic = true,
       .only_rounds = true,
       .curves = {{"all nodes", [](const TraceLine& l) { return l.consensus_distance; }}}},
  };
}

bool has(const ReportPage& page, Value value) {
  return std::ranges::any_of(page.runs, [value](const TracedRun& run) {
    return std::ranges::any_of(run.lines,
                               [value](const TraceLine& line) { return value(line).has_value(); });
  });
}

std::string name_of(const TracedRun& run, const Quantity& quantity, std::size_t curve) {
  return quantity.curves.size() == 1
             ? run.label
             : fmt::format("{}, {}", run.label, quantity.curves[curve].first);
}

Chart chart_of(const ReportPage& page, const Quantity& quantity, const Abscissa& against) {
  Chart chart{.title = fmt::format("{} against {}", quantity.name, against.name),
              .x = against.axis(),
              .y = {quantity.name, quantity.unit, quantity.logarithmic},
              .series = {}};
  for (std::size_t i = 0; i < page.runs.size(); ++i) {
    for (std::size_t k = 0; k < quantity.curves.size(); ++k) {
      Series series{name_of(page.runs[i], quantity, k), i, k > 0, {}};
      for (const TraceLine& line : page.runs[i].lines) {
        const auto y = quantity.curves[k].second(line);
        if (y) series.points.push_back({against.value(line), *y});
      }
      chart.series.push_back(std::move(series));
    }
  }
  return chart;
}

std::string legend(const ReportPage& page, const Quantity& quantity) {
  std::string out = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < page.runs.size(); ++i) {
    for (std::size_t k = 0; k < quantity.curves.size(); ++k) {
      out += fmt::format("<li>{}{}</li>", swatch_svg(i, k > 0),
                         html_escaped(name_of(page.runs[i], quantity, k)));
    }
  }
  return out + "</ul>\n";
}

std::string section(const ReportPage& page, const Quantity& quantity) {
  std::string out = fmt::format("<h2>{}</h2>\n{}<div class=\"charts\">\n", quantity.title,
                                legend(page, quantity));
  for (const Abscissa& against : abscissas(page)) {
    out += chart_svg(chart_of(page, quantity, against)) + "\n";
    if (quantity.only_rounds) break;
  }
  return out + "</div>\n";
}

std::string table_html(const Table& table) {
  std::string out = "<div class=\"scroll\"><table>\n";
  const char* cell = "th";
  for (const auto& row : table.rows()) {
    out += "<tr>";
    for (const std::string& text : row) {
      out += fmt::format("<{0}>{1}</{0}>", cell, html_escaped(text));
    }
    out += "</tr>\n";
    cell = "td";
  }
  return out + "</table></div>\n";
}

}  // namespace

std::string report_html(const ReportPage& page) {
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n",
      html_escaped(page.title), kStyle);
  out += fmt::format("<p>{} <code>{}</code>",
                     page.virtual_time ? "Simulated from" : "What daemons have left in",
                     html_escaped(page.run_file_name));
  for (const std::string& option : page.options) {
    out += fmt::format(" <code>{}</code>", html_escaped(option));
  }
  out += "</p>\n<h2>Results</h2>\n" + table_html(page.results);
  for (const Quantity& quantity : quantities()) {
    if (has(page, quantity.curves[0].second)) out += section(page, quantity);
  }
  if (!page.run_file.empty()) {
    out += fmt::format("<h2>Run file</h2>\n<pre>{}</pre>\n", html_escaped(page.run_file));
  }
  return out + "</body>\n</html>\n";
}

}  // namespace starling::daemon
