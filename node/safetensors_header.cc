#include "node/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

namespace starling::node {
namespace {

using Json = nlohmann::json;  // not the ordered one, whose objects are searched from end to end
constexpr int kDepthMax = 8;  // the format needs three
constexpr std::uint64_t kScalarsMax = std::uint64_t{1} << 40;  // far from where sizes overflow

using Entry = SafetensorsEntry;

Error broken(std::string what) { return {ErrorCode::io, std::move(what)}; }

// A name or type as it can stand in a sentence, whatever bytes the file has in it.
std::string shown(const std::string& text) {
  std::size_t size = std::min<std::size_t>(text.size(), 80);
  while (size < text.size() && (text[size] & 0xc0) == 0x80) --size;  // no half characters
  std::string result = text.substr(0, size);
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return size < text.size() ? result + "…" : result;
}

// Before the parser sees it: values that nest deeper would be freed and printed by recursion.
bool too_deep(const std::string& json) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == '{' || c == '[')) {
      if (++depth > kDepthMax) return true;
    } else if (!quoted && (c == '}' || c == ']')) {
      --depth;
    }
  }
  return false;
}

// 0: a type that we do not take.
std::uint64_t bytes_of(const std::string& dtype) {
  if (dtype == "F32") return sizeof(float);
  return dtype == "U8" ? 1 : 0;
}

Result<Json> parse_json(const std::string& text) {
  if (too_deep(text)) {
    return broken(fmt::format("its header nests deeper than {} levels", kDepthMax));
  }
  std::set<std::string> names;
  std::optional<std::string> twice;
  const auto note_names = [&](int depth, Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      const auto name = parsed.get<std::string>();
      if (!names.insert(name).second) twice = name;
    }
    return true;
  };
  Json header = Json::parse(text, note_names, false);
  if (!header.is_object()) return broken("its header is no JSON object");
  if (twice) return broken_tensor(*twice, "is in the header twice");
  return header;
}

// The number of scalars; nothing where it is beyond every file.
std::optional<std::uint64_t> read_shape(const Json& sides, std::vector<std::size_t>& shape) {
  std::uint64_t scalars = 1;
  for (const Json& side : sides) {
    if (!side.is_number_unsigned()) return std::nullopt;
    shape.push_back(side.get<std::size_t>());
    if (shape.back() > kScalarsMax / std::max<std::uint64_t>(scalars, 1)) return std::nullopt;
    scalars *= shape.back();
  }
  return scalars;
}

Result<Entry> read_entry(const std::string& name, const Json& json) {
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!json.is_object() || !json.contains(key)) {
      return broken_tensor(name, fmt::format("has no {}", key));
    }
  }
  const Json &dtype = json["dtype"], &sides = json["shape"], &offsets = json["data_offsets"];
  if (!dtype.is_string()) return broken_tensor(name, "has a dtype that is no string");
  const std::uint64_t scalar_bytes = bytes_of(dtype.get<std::string>());
  if (scalar_bytes == 0) {
    return broken_tensor(name, fmt::format("is of type {}, expected F32; convert the file first",
                                           shown(dtype.get<std::string>())));
  }
  Entry entry{name, dtype.get<std::string>(), {}, 0, 0};
  const auto scalars = sides.is_array() ? read_shape(sides, entry.shape) : std::nullopt;
  if (!scalars) {
    return broken_tensor(
        name, fmt::format("has the shape {}, expected a list of sizes", shown(sides.dump())));
  }
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    return broken_tensor(
        name, fmt::format("has the offsets {}, expected begin and end", shown(offsets.dump())));
  }
  entry.begin = offsets[0].get<std::uint64_t>();
  entry.end = offsets[1].get<std::uint64_t>();
  if (entry.end < entry.begin || entry.end - entry.begin != *scalars * scalar_bytes) {
    return broken_tensor(name, fmt::format("lies from byte {} to {}, expected {} bytes for its "
                                           "shape",
                                           entry.begin, entry.end, *scalars * scalar_bytes));
  }
  return entry;
}

void read_notes(const Json& json, std::map<std::string, std::string>& notes) {
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.items()) {
    if (value.is_string()) notes[key] = value.get<std::string>();
  }
}

// In the order of the data, which has to be covered without gap or overlap.
Result<void> put_in_order(std::vector<Entry>& entries) {
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::tie(e.begin, e.end, e.name); });
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end) {
      return broken_tensor(entry.name, fmt::format("begins at byte {}, expected {}, where the "
                                                   "tensor before it ends",
                                                   entry.begin, end));
    }
    end = entry.end;
    if (end / sizeof(float) > kScalarsMax) {
      return broken_tensor(entry.name, fmt::format("ends at byte {}, beyond every file", end));
    }
  }
  return {};
}

}  // namespace

Error broken_tensor(const std::string& name, const std::string& what) {
  return broken(fmt::format("tensor '{}' {}", shown(name), what));
}

std::optional<Error> objection_to_header_length(std::uint64_t header_bytes,
                                                std::uint64_t file_bytes) {
  if (file_bytes < 8 || header_bytes > file_bytes - 8) {
    return broken(
        fmt::format("header length {} does not fit a file of {} bytes", header_bytes, file_bytes));
  }
  if (header_bytes > kSafetensorsHeaderMax) {
    return broken(
        fmt::format("header length {}, expected at most {}", header_bytes, kSafetensorsHeaderMax));
  }
  return std::nullopt;
}

Result<SafetensorsHeader> parse_safetensors_header(const std::string& text) {
  const auto json = parse_json(text);
  if (!json) return json.error();
  SafetensorsHeader header;
  for (const auto& [name, value] : json->items()) {
    if (name == "__metadata__") {
      read_notes(value, header.notes);
      continue;
    }
    auto entry = read_entry(name, value);
    if (!entry) return entry.error();
    header.entries.push_back(std::move(*entry));
  }
  if (Result<void> ordered = put_in_order(header.entries); !ordered) return ordered.error();
  return header;
}

std::string to_json(const SafetensorsHeader& header) {
  using OrderedJson = nlohmann::ordered_json;
  OrderedJson json = OrderedJson::object();
  json["__metadata__"] = header.notes;
  for (const Entry& e : header.entries) {
    json[e.name] = {{"dtype", e.dtype}, {"shape", e.shape}, {"data_offsets", {e.begin, e.end}}};
  }
  // A note that is not UTF-8, a path say, is no reason to lose a model.
  std::string text = json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data starts aligned
  return text;
}

}  // namespace starling::node
