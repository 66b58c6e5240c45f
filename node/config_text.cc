#include "node/config_text.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

namespace starling::node {
namespace {

constexpr std::size_t kShownBytesMax = 40;
// A run file nests three deep (an edge inside edges inside a section).
constexpr std::size_t kDepthMax = 8;

// Finds keys of too many dotted parts. toml++ bounds the nesting of values but not of keys, and
// frees a.a.a… recursively: half a megabyte of it overflows the stack.
class DottedKeys {
 public:
  explicit DottedKeys(std::string_view text) : text_(text) {}

  // The offset where a run of dotted parts becomes too long.
  std::optional<std::size_t> too_long() {
    std::size_t dots = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      if (c == '#') at_ = std::min(text_.find('\n', at_), text_.size());
      if (c == '.' && ++dots > kDepthMax) return at_;
      if (std::string_view("=,[]{}#\n").find(c) != std::string_view::npos) dots = 0;
      ++at_;
    }
    return std::nullopt;
  }

 private:
  void skip_string(char quote) {
    const std::string three(3, quote);
    const bool multiline = text_.substr(at_, 3) == three;
    at_ += multiline ? 3 : 1;
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        at_ += 2;
      } else if (multiline ? text_.substr(at_, 3) == three : text_[at_] == quote) {
        at_ += multiline ? 3 : 1;
        return;
      } else if (!multiline && text_[at_] == '\n') {
        return;  // an unfinished string; the parser says so
      } else {
        ++at_;
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string place(std::string_view name, const toml::source_position& at) {
  return fmt::format("{}:{}:{}", name, at.line, at.column);
}

std::string place(std::string_view name, std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("{}:{}:{}", name, 1 + std::count(before.begin(), before.end(), '\n'),
                     1 + offset - line_start);
}

// Turns toml++'s tree into ours. An override has one place for all of it; a file one per value.
class Converter {
 public:
  Converter(std::string_view name, bool one_place) : name_(name), one_place_(one_place) {}

  Table table(const toml::table& from, std::size_t depth = 0) const {
    std::vector<std::pair<toml::source_position, Entry>> placed;
    for (auto&& [key, node] : from) {
      placed.emplace_back(
          key.source().begin,
          Entry{std::string(key.str()), where(key.source().begin), value(node, depth + 1)});
    }
    std::stable_sort(placed.begin(), placed.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Table out;
    for (auto& [at, entry] : placed) out.push_back(std::move(entry));
    return out;
  }

  Value value(const toml::node& from, std::size_t depth) const {
    Value out{.data = Other{"a date or a time"}, .where = where(from.source().begin), .raw = {}};
    if (depth > kDepthMax) {
      out.data = Other{"tables or arrays nested without end"};
    } else if (const auto* text = from.as_string()) {
      out.data = text->get();
    } else if (const auto* whole = from.as_integer()) {
      out.data = whole->get();
    } else if (const auto* real = from.as_floating_point()) {
      out.data = real->get();
    } else if (const auto* flag = from.as_boolean()) {
      out.data = flag->get();
    } else if (const auto* array = from.as_array()) {
      Array items;
      for (const toml::node& item : *array) items.push_back(value(item, depth + 1));
      out.data = std::move(items);
    } else if (const auto* inner = from.as_table()) {
      out.data = table(*inner, depth);
    }
    return out;
  }

 private:
  std::string where(const toml::source_position& at) const {
    return one_place_ ? std::string(name_) : place(name_, at);
  }

  std::string_view name_;
  bool one_place_;
};

// "Error while parsing boolean: expected …" continues our "not valid TOML, ".
std::string reason(const toml::parse_error& error) {
  std::string text(error.description());
  if (text.starts_with("Error ")) text.erase(0, 6);
  for (const char* what : {"parsing boolean", "parsing value", "parsing floating-point"}) {
    if (text.find(what) != text.npos) text += "; text values stand in quotes";
  }
  if (text.find("unescaped control") != text.npos) text += "; is a closing quote missing?";
  std::string clean;
  for (const char c : text) {
    clean += std::iscntrl(static_cast<unsigned char>(c)) ? '?' : c;
  }
  return clean;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

Result<Table> parse_text(std::string_view text, std::string_view name) {
  if (const auto offset = DottedKeys(text).too_long()) {
    return config_error(
        fmt::format("{}: found a key of more than {} dotted parts, expected section and key",
                    place(name, text, *offset), kDepthMax));
  }
  try {
    return Converter(name, false).table(toml::parse(text));
  } catch (const toml::parse_error& error) {
    return config_error(
        fmt::format("{}: not valid TOML, {}", place(name, error.source().begin), reason(error)));
  }
}

Result<Value> parse_override(std::string_view text, const std::string& where) {
  text = trimmed(text);
  if (text.empty()) {
    return config_error(fmt::format("{}: found nothing after '=', expected a value", where));
  }
  std::string why;
  if (text.find_first_of("\r\n") != text.npos) {
    why = "found a line break in the value";
  } else if (DottedKeys(text).too_long()) {
    why = "found a key of too many dotted parts";
  } else {
    try {
      const toml::table parsed = toml::parse(fmt::format("value = {}", text));
      Value value = Converter(where, true).value(*parsed.get("value"), 1);
      value.raw = text;
      return value;
    } catch (const toml::parse_error& error) {
      why = reason(error);
    }
  }
  if (std::string_view("\"'[{").find(text.front()) != std::string_view::npos) {
    return config_error(fmt::format("{}: not valid TOML, {}", where, why));
  }
  return Value{.data = std::string(text), .where = where, .raw = std::string(text)};
}

std::string shown(std::string_view text) {
  std::size_t length = std::min(text.size(), kShownBytesMax);
  // Never cut inside a UTF-8 sequence.
  while (length > 0 && length < text.size() && (text[length] & 0xC0) == 0x80) --length;
  std::string out;
  for (const char c : text.substr(0, length)) {
    if (std::iscntrl(static_cast<unsigned char>(c))) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  if (length < text.size()) out += "…";
  return out;
}

std::string shown(const Value& value) {
  struct Visitor {
    std::string operator()(const std::string& text) const {
      return fmt::format("\"{}\"", shown(text));
    }
    std::string operator()(std::int64_t whole) const { return std::to_string(whole); }
    std::string operator()(double real) const {
      std::string text = fmt::format("{}", real);
      // 1.0 is not the whole number 1, and the message must not say that it is.
      if (text.find_first_not_of("-0123456789") == text.npos) text += ".0";
      return text;
    }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(const Other& other) const { return other.what; }
    std::string operator()(const Array& array) const {
      if (array.empty()) return "an empty array";
      const bool tables = std::holds_alternative<Table>(array.front().data);
      return tables ? "an array of tables" : "an array";
    }
    std::string operator()(const Table&) const { return "a table"; }
  };
  return std::visit(Visitor{}, value.data);
}

}  // namespace starling::node
