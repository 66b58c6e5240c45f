// Results that a person asked for in a file of their own.
#pragma once

#include <filesystem>
#include <string>

#include "protocol/result.h"

namespace starling::daemon {

// Writes beside `file` and renames, so that a reader sees the old file or the new one. Fails with
// ErrorCode::io, naming the file and the reason.
Result<void> write_text(const std::filesystem::path& file, const std::string& text);

// Whether write_text could begin now: for before a long run. Leaves nothing behind.
Result<void> check_writable(const std::filesystem::path& file);

}  // namespace starling::daemon
