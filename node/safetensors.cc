#include "node/safetensors.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>

#include "node/safetensors_header.h"
#include "protocol/io_error.h"

namespace starling::node {
namespace {

SafetensorsHeader header_of(const TensorLayout& layout,
                            const std::map<std::string, std::string>& notes) {
  SafetensorsHeader header{.entries = {}, .notes = notes};
  for (const Tensor& t : layout.tensors()) {
    const std::uint64_t begin = t.offset * sizeof(float);
    header.entries.push_back({t.name, "F32", t.shape, begin, begin + t.size() * sizeof(float)});
  }
  return header;
}

}  // namespace

Result<void> write_safetensors(const std::filesystem::path& file, const TensorLayout& layout,
                               std::span<const float> parameters,
                               const std::map<std::string, std::string>& notes) {
  INVARIANT(parameters.size() == layout.size());
  const std::string header = to_json(header_of(layout, notes));
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
