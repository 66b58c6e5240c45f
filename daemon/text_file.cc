#include "daemon/text_file.h"

#include <system_error>

#include "protocol/fresh_file.h"
#include "protocol/io_error.h"

namespace starling::daemon {

Result<void> write_text(const std::filesystem::path& file, const std::string& text) {
  FreshFile fresh(file);
  fresh.out().write(text.data(), static_cast<std::streamsize>(text.size()));
  return fresh.replace();
}

Result<void> check_writable(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) {
    return io_error(file, "cannot be replaced: it is a directory");
  }
  return FreshFile(file).written();
}

}  // namespace starling::daemon
