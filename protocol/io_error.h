// How it is said that something went wrong with a file of our own.
#pragma once

#include <filesystem>
#include <string>

#include "protocol/result.h"

namespace starling {

// ErrorCode::io, "FILE: why".
inline Error io_error(const std::filesystem::path& file, const std::string& why) {
  return {ErrorCode::io, file.string() + ": " + why};
}

}  // namespace starling
