#include "node/safetensors.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace starling::node {
namespace {

using Json = nlohmann::ordered_json;

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

}  // namespace starling::node
