// A file that takes another's place as a whole.
#pragma once

#include <filesystem>
#include <fstream>

#include "protocol/result.h"

namespace starling {

// It is written beside the other, as FILE.new: whoever reads FILE sees the old one or the new one,
// and where anything fails the old one alone stays. Not synced to the disk.
class FreshFile {
 public:
  explicit FreshFile(std::filesystem::path file);
  FreshFile(const FreshFile&) = delete;
  FreshFile& operator=(const FreshFile&) = delete;
  ~FreshFile();  // what has not taken the place is gone

  std::ofstream& out() { return out_; }
  const std::filesystem::path& partial() const { return partial_; }
  // Whether all of it could be written so far. Fails with ErrorCode::io, naming the file and why.
  Result<void> written();
  // Closes it, and it takes the place. Fails likewise.
  Result<void> replace();

 private:
  const std::filesystem::path file_, partial_;
  std::ofstream out_;
  bool is_ours_;  // partial_ was opened here, and lies there still
};

}  // namespace starling
