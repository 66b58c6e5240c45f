#include "daemon/text_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "protocol/io_error.h"

namespace starling::daemon {
namespace {

namespace fs = std::filesystem;

fs::path partial_of(const fs::path& file) { return file.string() + ".new"; }

Result<void> write_partial(const fs::path& file, const std::string& text) {
  const fs::path partial = partial_of(file);
  std::ofstream out(partial, std::ios::binary | std::ios::trunc);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (out) return {};
  return io_error(partial, fmt::format("cannot be written: {}", std::strerror(errno)));
}

}  // namespace

Result<void> write_text(const fs::path& file, const std::string& text) {
  if (Result<void> written = write_partial(file, text); !written) return written;
  std::error_code failed;
  fs::rename(partial_of(file), file, failed);
  if (failed) return io_error(file, fmt::format("cannot be replaced: {}", failed.message()));
  return {};
}

Result<void> check_writable(const fs::path& file) {
  std::error_code failed;
  if (fs::is_directory(file, failed)) {
    return io_error(file, "cannot be replaced: it is a directory");
  }
  if (Result<void> written = write_partial(file, ""); !written) return written;
  fs::remove(partial_of(file), failed);
  return {};
}

}  // namespace starling::daemon
