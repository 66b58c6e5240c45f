// What the daemons of one run have left, gathered in a folder: NODE.json, the report that
// `starlingd --json` prints, and beside it NODE.log and NODE.safetensors, as far as they are there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/table.h"
#include "daemon/trace.h"
#include "node/report.h"
#include "protocol/result.h"

namespace starling::daemon {

// A line of a daemon's log, text or JSON, that tells of a round.
struct LoggedRound {
  double at_seconds = 0;  // on the clock of the log; only differences mean something
  node::Progress progress = {};
};

// When a line was logged; nothing where it does not begin with a time.
std::optional<double> logged_at(std::string_view line);
// Nothing where the line tells of something else.
std::optional<LoggedRound> logged_round(std::string_view line);

struct RunFolder {
  node::RunReport report;  // label: the folder's name; missing: nodes with a log and no report
  TracedRun traced;        // from the logs; of a round that was done twice, the second time
};

// Fails with ErrorCode::io, naming the folder or file, what was found and what was expected.
Result<RunFolder> read_run_folder(const std::filesystem::path& folder);

// result_table with the shares of training time that went into computing, coding and waiting.
Table measured_table(const std::vector<node::RunReport>& reports);
// The same as numbers: bytes, seconds, shares from 0 to 1; empty fields where there is no value.
std::string to_csv(const std::vector<node::RunReport>& reports);

}  // namespace starling::daemon
