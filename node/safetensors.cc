#include "node/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace starling::node {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint64_t kHeaderBytesMax = 16 << 20;
constexpr std::size_t kFloatsMax = std::size_t{1} << 40;  // far from where sizes overflow

Error io_error(const std::filesystem::path& file, const std::string& what) {
  return {ErrorCode::io, fmt::format("{}: {}", file.string(), what)};
}

std::string header_of(const TensorLayout& layout, const std::map<std::string, std::string>& notes) {
  Json header = Json::object();
  header["__metadata__"] = notes;
  for (const Tensor& t : layout.tensors()) {
    const std::size_t begin = t.offset * sizeof(float);
    header[t.name] = {{"dtype", "F32"},
                      {"shape", t.shape},
                      {"data_offsets", {begin, begin + t.size() * sizeof(float)}}};
  }
  // A note that is not UTF-8, a path say, is no reason to lose a model.
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data starts aligned
  return text;
}

// Appends one header entry to the layout; false when it is not a tensor that follows the last one.
bool add_tensor(const std::string& name, const Json& entry, TensorLayout& layout) {
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!entry.is_object() || !entry.contains(key)) return false;
  }
  const Json& offsets = entry["data_offsets"];
  if (entry["dtype"] != "F32" || !entry["shape"].is_array()) return false;
  if (!offsets.is_array() || offsets.size() != 2) return false;
  std::vector<std::size_t> shape;
  std::size_t floats = 1;
  for (const Json& side : entry["shape"]) {
    if (!side.is_number_unsigned()) return false;
    shape.push_back(side.get<std::size_t>());
    if (shape.back() > kFloatsMax / std::max<std::size_t>(floats, 1)) return false;
    floats *= shape.back();
  }
  const std::size_t begin = layout.size();
  if (floats > kFloatsMax - begin) return false;
  layout.add(name, shape);
  return offsets[0] == begin * sizeof(float) && offsets[1] == layout.size() * sizeof(float);
}

Result<void> parse_header(const std::filesystem::path& file, const std::string& text,
                          Model& model) {
  const Json header = Json::parse(text, nullptr, false);
  if (!header.is_object()) return io_error(file, "its header is no JSON object");
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, value] : entry.items()) {
        if (value.is_string()) model.notes[key] = value.get<std::string>();
      }
    } else if (!add_tensor(name, entry, model.layout)) {
      return io_error(file, fmt::format("tensor '{}' is {}, expected F32 data that follows the "
                                        "tensor before it",
                                        name, entry.dump()));
    }
  }
  return {};
}

}  // namespace

Result<void> write_safetensors(const std::filesystem::path& file, const TensorLayout& layout,
                               std::span<const float> parameters,
                               const std::map<std::string, std::string>& notes) {
  INVARIANT(parameters.size() == layout.size());
  const std::string header = header_of(layout, notes);
  const std::uint64_t header_bytes = header.size();
  const std::filesystem::path partial = file.string() + ".new";
  {
    std::ofstream out(partial, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(&header_bytes), sizeof header_bytes);
    out.write(header.data(), static_cast<std::streamsize>(header.size()));
    out.write(reinterpret_cast<const char*>(parameters.data()),
              static_cast<std::streamsize>(parameters.size_bytes()));
    out.close();
    if (!out) return io_error(partial, fmt::format("cannot be written: {}", std::strerror(errno)));
  }
  std::error_code failed;
  std::filesystem::rename(partial, file, failed);
  if (failed) return io_error(file, fmt::format("cannot be replaced: {}", failed.message()));
  return {};
}

Result<Model> read_safetensors(const std::filesystem::path& file) {
  std::error_code failed;
  const std::uintmax_t file_bytes = std::filesystem::file_size(file, failed);
  std::ifstream in(file, std::ios::binary);
  if (failed || !in) return io_error(file, "cannot be read; it should be a .safetensors file");
  std::uint64_t header_bytes = 0;
  in.read(reinterpret_cast<char*>(&header_bytes), sizeof header_bytes);
  if (!in || header_bytes > kHeaderBytesMax || header_bytes + 8 > file_bytes) {
    return io_error(file, fmt::format("header length {} does not fit a file of {} bytes",
                                      header_bytes, file_bytes));
  }
  std::string header(header_bytes, '\0');
  in.read(header.data(), static_cast<std::streamsize>(header.size()));
  Model model;
  if (auto parsed = parse_header(file, header, model); !parsed) return parsed.error();
  const std::uintmax_t expected = 8 + header_bytes + model.layout.size() * sizeof(float);
  if (file_bytes != expected) {
    return io_error(file,
                    fmt::format("it has {} bytes, its header speaks of {}", file_bytes, expected));
  }
  model.parameters.resize(model.layout.size());
  in.read(reinterpret_cast<char*>(model.parameters.data()),
          static_cast<std::streamsize>(model.parameters.size() * sizeof(float)));
  if (!in) return io_error(file, "cannot be read to its end");
  return model;
}

}  // namespace starling::node
