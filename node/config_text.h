// A run file as plain data, each value with its place. TOML's grammar ends here: config_text.cc is
// the only file that sees toml++, which takes seconds to compile.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/result.h"

namespace starling::node {

struct Entry;
struct Value;
using Array = std::vector<Value>;
using Table = std::vector<Entry>;  // in the order of the file

// What no key of ours takes: a date, a time, or tables nested without end.
struct Other {
  std::string what;
};

struct Value {
  std::variant<std::string, std::int64_t, double, bool, Other, Array, Table> data;
  std::string where;  // "run.toml:9:9", or "--set gossip.rank=0"
  // --set only: the text after '=', which stays a text where a key takes one (run.name=2024).
  std::string raw;
};

struct Entry {
  std::string key;
  std::string where;
  Value value;
};

// `name` stands for the file in every place. Fails (ErrorCode::config) where the text is not TOML
// or is nested too deeply to be walked safely.
Result<Table> parse_text(std::string_view text, std::string_view name);

// The right side of an override: TOML, or else a bare word, which is a string.
Result<Value> parse_override(std::string_view text, const std::string& where);

// As a message shows it: quoted, cut short, control characters escaped.
std::string shown(const Value& value);
std::string shown(std::string_view text);

}  // namespace starling::node
