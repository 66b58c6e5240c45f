// A node's model as a file that other programs open.
#pragma once

#include <filesystem>
#include <string>

#include "node/core.h"
#include "protocol/result.h"

namespace starling::daemon {

struct ModelFile {
  std::filesystem::path path;
  std::string run, node;  // for the file's notes
};

// The model as the core has it, with how many rounds were done. Any thread that may read the core.
Result<void> write_model(const ModelFile& file, const node::Core& core);

}  // namespace starling::daemon
