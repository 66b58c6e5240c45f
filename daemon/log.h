// The daemon's log: for people, or one JSON object a line.
#pragma once

#include <memory>
#include <string>

#include "peer/logger.h"

namespace starling::daemon {

enum class LogFormat { text, json };

// Writes to standard error; standard output belongs to results. `node` stands in every line. Any
// thread may log.
std::shared_ptr<spdlog::logger> make_log(LogFormat format, const std::string& level,
                                         const std::string& node);

}  // namespace starling::daemon
