// Several runs one after the other, and the table of what came out.
#pragma once

#include <functional>
#include <vector>

#include "daemon/flock.h"
#include "daemon/variants.h"
#include "node/report.h"
#include "protocol/result.h"

namespace starling::daemon {

// The outcome of one run, by daemons or in the simulator.
using RunOne = std::function<Result<FlockResult>(const Variant& variant)>;

struct Outcome {
  int exit_code = 0;
  std::vector<node::RunReport> reports;  // of the runs that came to their end
};

// Runs each variant in turn; prints the result table and, for `json`, one object on the last line:
// the report of the file's own algorithm, with all of them under "compared" where there are
// several. Where one of several diverges, its sentence is printed and the others go on; any other
// error ends them all. An interrupted run is the last one.
Outcome run_and_report(const std::vector<Variant>& variants, bool json, const RunOne& run_one);

}  // namespace starling::daemon
