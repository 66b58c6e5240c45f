#include "train/file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace starling::train {

Result<std::string> read_file(const std::filesystem::path& path, std::string_view advice) {
  const auto failed = [&](std::string_view reason) {
    return Error{ErrorCode::data,
                 fmt::format("cannot read {}: {}; {}", path.string(), reason, advice)};
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return failed("it is a folder");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return failed(std::strerror(errno));
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) return failed("the read was interrupted");
  return text;
}

bool Lines::next() {
  if (rest_.empty()) return false;
  text_ = take_field(rest_, '\n');
  if (text_.ends_with('\r')) text_.remove_suffix(1);
  ++number_;
  return true;
}

std::string_view take_field(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view field = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return field;
}

}  // namespace starling::train
