#include <fmt/format.h>

#include <fstream>

#include "node/safetensors.h"
#include "node/safetensors_header.h"

namespace starling::node {
namespace {

Error broken(std::string what) { return {ErrorCode::io, std::move(what)}; }

Result<TensorLayout> layout_of(std::vector<SafetensorsEntry> entries) {
  TensorLayout layout;
  for (SafetensorsEntry& entry : entries) {
    if (entry.dtype != "F32") {
      return broken_tensor(
          entry.name,
          fmt::format("is of type {}, expected F32; a model has no other", entry.dtype));
    }
    layout.add(std::move(entry.name), std::move(entry.shape));
  }
  return layout;
}

}  // namespace

Result<Model> read_safetensors(std::istream& in, std::uint64_t bytes) {
  std::uint64_t header_bytes = 0;
  in.read(reinterpret_cast<char*>(&header_bytes), sizeof header_bytes);
  if (!in) return broken(fmt::format("it has {} bytes, expected at least 8", bytes));
  if (const auto wrong = objection_to_header_length(header_bytes, bytes)) return *wrong;
  std::string text(header_bytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  auto header = parse_safetensors_header(text);
  if (!header) return header.error();
  Model model;
  model.notes = std::move(header->notes);
  auto layout = layout_of(std::move(header->entries));
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
