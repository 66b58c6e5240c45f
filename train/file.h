// Text files: whole contents, lines, numbers. Private to the readers of this folder.
#pragma once

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/result.h"

namespace starling::train {

// The whole file, or ErrorCode::data with the reason and then `advice`, which says what the path
// should have named.
Result<std::string> read_file(const std::filesystem::path& path, std::string_view advice);

// The lines of a text, without their LF or CRLF. The text must outlive this.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  bool next();                                    // false at the end of the text
  std::size_t number() const { return number_; }  // of the current line, from 1
  std::string_view text() const { return text_; }

 private:
  std::string_view rest_;
  std::string_view text_;
  std::size_t number_ = 0;
};

// The piece of `text` before the first `separator`; `text` keeps what follows it.
std::string_view take_field(std::string_view& text, char separator);

// The whole of `text` as one number; a leading '+' is allowed, blanks are not.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace starling::train
