#include "protocol/fresh_file.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "protocol/io_error.h"

namespace starling {

FreshFile::FreshFile(std::filesystem::path file)
    : file_(std::move(file)),
      partial_(file_.string() + ".new"),
      out_(partial_, std::ios::binary | std::ios::trunc),
      is_ours_(out_.is_open()) {}

FreshFile::~FreshFile() {
  out_.close();
  std::error_code ignored;
  if (is_ours_) std::filesystem::remove(partial_, ignored);
}

Result<void> FreshFile::written() {
  if (out_) return {};
  return io_error(partial_, std::string("cannot be written: ") + std::strerror(errno));
}

Result<void> FreshFile::replace() {
  if (auto whole = written(); !whole) return whole;
  out_.close();
  if (auto whole = written(); !whole) return whole;
  std::error_code failed;
  std::filesystem::rename(partial_, file_, failed);
  if (failed) return io_error(file_, "cannot be replaced: " + failed.message());
  is_ours_ = false;
  return {};
}

}  // namespace starling
