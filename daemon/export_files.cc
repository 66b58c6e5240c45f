#include "daemon/export_files.h"

#include <fmt/format.h>

#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace starling::daemon {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "export-";

}  // namespace

ExportFiles::ExportFiles(fs::path folder) : folder_(std::move(folder)) {
  std::vector<fs::path> left;
  std::error_code failed;
  for (fs::directory_iterator entry(folder_, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (entry->path().filename().string().starts_with(kPrefix)) left.push_back(entry->path());
  }
  for (const fs::path& file : left) fs::remove(file, failed);
}

fs::path ExportFiles::next(peer::Clock::time_point now) {
  std::error_code ignored;
  while (!told_.empty() && now - told_.front().at >= kKept) {
    fs::remove(told_.front().file, ignored);
    told_.pop_front();
  }
  return folder_ / fmt::format("{}{}.safetensors", kPrefix, ++count_);
}

void ExportFiles::told(fs::path file, peer::Clock::time_point now) {
  told_.push_back({std::move(file), now});
}

}  // namespace starling::daemon
