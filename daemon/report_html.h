// Runs side by side on one page: what `starling simulate --report` and `starling report --html`
// write.
#pragma once

#include <string>
#include <vector>

#include "daemon/table.h"
#include "daemon/trace.h"

namespace starling::daemon {

struct ReportPage {
  std::string title = {};                 // the run's name
  bool virtual_time = true;               // what the seconds of the runs are; false: a clock's
  std::vector<std::string> options = {};  // what the call said beside the run file, an option each
  std::vector<TracedRun> runs = {};
  Table results = {};
  std::string run_file_name = {};  // where the runs came from
  std::string run_file = {};       // its text; empty: it is not shown
};

// A whole HTML document that needs nothing beside it: no network, no script. Everything of the page
// is escaped.
std::string report_html(const ReportPage& page);

}  // namespace starling::daemon
