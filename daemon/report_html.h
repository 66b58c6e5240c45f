// Runs side by side on one page: what `starling simulate --report` writes.
#pragma once

#include <string>
#include <vector>

#include "daemon/table.h"
#include "daemon/trace.h"

namespace starling::daemon {

struct ReportPage {
  std::string title = {};                 // the run's name
  std::vector<std::string> options = {};  // what the call said beside the run file, an option each
  std::vector<TracedRun> runs = {};
  Table results = {};
  std::string run_file_name = {}, run_file = {};
};

// A whole HTML document that needs nothing beside it: no network, no script. Everything of the page
// is escaped.
std::string report_html(const ReportPage& page);

}  // namespace starling::daemon
