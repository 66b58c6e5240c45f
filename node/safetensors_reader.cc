#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "node/safetensors.h"

namespace starling::node {
namespace {

using Json = nlohmann::json;  // not the ordered one, whose objects are searched from end to end
constexpr std::uint64_t kHeaderBytesMax = 16 << 20;
constexpr int kDepthMax = 8;                                  // the format needs three
constexpr std::uint64_t kFloatsMax = std::uint64_t{1} << 40;  // far from where sizes overflow

struct Entry {
  std::string name;
  std::vector<std::size_t> shape;
  std::uint64_t begin, end;  // bytes, behind the header
};

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

Error broken_tensor(const std::string& name, const std::string& what) {
  return broken(fmt::format("tensor '{}' {}", shown(name), what));
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

Result<Json> parse_header(const std::string& text) {
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

// The number of floats; nothing where it is beyond every file.
std::optional<std::uint64_t> read_shape(const Json& sides, std::vector<std::size_t>& shape) {
  std::uint64_t floats = 1;
  for (const Json& side : sides) {
    if (!side.is_number_unsigned()) return std::nullopt;
    shape.push_back(side.get<std::size_t>());
    if (shape.back() > kFloatsMax / std::max<std::uint64_t>(floats, 1)) return std::nullopt;
    floats *= shape.back();
  }
  return floats;
}

Result<Entry> read_entry(const std::string& name, const Json& json) {
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!json.is_object() || !json.contains(key)) {
      return broken_tensor(name, fmt::format("has no {}", key));
    }
  }
  const Json &dtype = json["dtype"], &sides = json["shape"], &offsets = json["data_offsets"];
  if (!dtype.is_string()) return broken_tensor(name, "has a dtype that is no string");
  if (dtype != "F32") {
    return broken_tensor(name, fmt::format("is of type {}, expected F32; convert the file first",
                                           shown(dtype.get<std::string>())));
  }
  Entry entry{name, {}, 0, 0};
  const auto floats = sides.is_array() ? read_shape(sides, entry.shape) : std::nullopt;
  if (!floats) {
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
  if (entry.end < entry.begin || entry.end - entry.begin != *floats * sizeof(float)) {
    return broken_tensor(name, fmt::format("lies from byte {} to {}, expected {} bytes for its "
                                           "shape",
                                           entry.begin, entry.end, *floats * sizeof(float)));
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
Result<TensorLayout> layout_of(std::vector<Entry> entries) {
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::tie(e.begin, e.end, e.name); });
  TensorLayout layout;
  std::uint64_t end = 0;
  for (Entry& entry : entries) {
    if (entry.begin != end) {
      return broken_tensor(entry.name, fmt::format("begins at byte {}, expected {}, where the "
                                                   "tensor before it ends",
                                                   entry.begin, end));
    }
    end = entry.end;
    if (end / sizeof(float) > kFloatsMax) {
      return broken_tensor(entry.name, fmt::format("ends at byte {}, beyond every file", end));
    }
    layout.add(std::move(entry.name), std::move(entry.shape));
  }
  return layout;
}

}  // namespace

Result<Model> read_safetensors(std::istream& in, std::uint64_t bytes) {
  std::uint64_t header_bytes = 0;
  in.read(reinterpret_cast<char*>(&header_bytes), sizeof header_bytes);
  if (!in || header_bytes > bytes - 8) {
    return broken(
        fmt::format("header length {} does not fit a file of {} bytes", header_bytes, bytes));
  }
  if (header_bytes > kHeaderBytesMax) {
    return broken(
        fmt::format("header length {}, expected at most {}", header_bytes, kHeaderBytesMax));
  }
  std::string text(header_bytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  const auto header = parse_header(text);
  if (!header) return header.error();
  Model model;
  std::vector<Entry> entries;
  for (const auto& [name, json] : header->items()) {
    if (name == "__metadata__") {
      read_notes(json, model.notes);
      continue;
    }
    auto entry = read_entry(name, json);
    if (!entry) return entry.error();
    entries.push_back(std::move(*entry));
  }
  auto layout = layout_of(std::move(entries));
  if (!layout) return layout.error();
  model.layout = std::move(*layout);
  const std::uint64_t expected = 8 + header_bytes + model.layout.size() * sizeof(float);
  if (bytes != expected) {
    return broken(fmt::format("it has {} bytes, its header speaks of {}", bytes, expected));
  }
  model.parameters.resize(model.layout.size());
  in.read(reinterpret_cast<char*>(model.parameters.data()),
          static_cast<std::streamsize>(model.parameters.size() * sizeof(float)));
  if (!in) return broken("it cannot be read to its end");
  return model;
}

Result<Model> read_safetensors(const std::filesystem::path& file) {
  const auto named = [&file](const std::string& what) {
    return broken(fmt::format("{}: {}", file.string(), what));
  };
  std::error_code failed;
  const std::uintmax_t bytes = std::filesystem::file_size(file, failed);
  std::ifstream in(file, std::ios::binary);
  if (failed || !in) return named("cannot be read; it should be a .safetensors file");
  auto model = read_safetensors(in, bytes);
  if (!model) return named(model.error().message);
  return model;
}

}  // namespace starling::node
