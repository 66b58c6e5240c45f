// starling report FOLDER…: a table and a page of runs that daemons have done, wherever they were.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/commands.h"
#include "daemon/options.h"
#include "daemon/report_html.h"
#include "daemon/run_folder.h"
#include "daemon/text_file.h"

namespace starling::daemon {
namespace {

struct ReportOptions {
  std::vector<std::filesystem::path> folders;
  std::filesystem::path csv, html;
  std::string title;
  bool json = false;
};

int report(const ReportOptions& options) {
  std::vector<node::RunReport> reports;
  ReportPage page{.title = options.title, .virtual_time = false};
  for (const auto& folder : options.folders) {
    auto run = read_run_folder(folder);
    if (!run) return fail(run.error());
    reports.push_back(std::move(run->report));
    page.runs.push_back(std::move(run->traced));
    page.run_file_name += (page.run_file_name.empty() ? "" : ", ") + reports.back().label;
  }
  page.results = measured_table(reports);
  if (!options.csv.empty()) {
    if (auto written = write_text(options.csv, to_csv(reports)); !written) {
      return fail(written.error());
    }
  }
  if (!options.html.empty()) {
    if (auto written = write_text(options.html, report_html(page)); !written) {
      return fail(written.error());
    }
  }
  if (options.json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const node::RunReport& one : reports) all.push_back(node::to_json(one));
    const auto replace = nlohmann::ordered_json::error_handler_t::replace;
    std::printf("%s\n", all.dump(-1, ' ', false, replace).c_str());
    return 0;
  }
  std::fputs(page.results.text().c_str(), stdout);
  for (const node::RunReport& one : reports) {
    for (const std::string& name : one.missing) {
      std::printf("%s: no report from %s\n", one.label.c_str(), name.c_str());
    }
  }
  return 0;
}

}  // namespace

void add_report(CommandLine line, Verb& chosen) {
  auto options = std::make_shared<ReportOptions>();
  CommandLine verb = line.add_verb("report", "Compare runs by what their daemons have left");
  verb.add_option("folders", options->folders,
                  "a folder a run: NODE.json, and NODE.log and NODE.safetensors beside it")
      .required()
      .type_name("FOLDER");
  verb.add_option("--csv", options->csv, "write the table as numbers").type_name("FILE");
  verb.add_option("--html", options->html, "write a page with the table and charts of the logs")
      .type_name("FILE");
  verb.add_option("--title", options->title, "of the page").type_name("TEXT");
  verb.add_flag("--json", options->json, "print results as JSON");
  options->title = "Runs compared";
  verb.when_chosen([options, &chosen] { chosen = [options] { return report(*options); }; });
}

}  // namespace starling::daemon
