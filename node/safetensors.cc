#include "node/safetensors.h"

#include <cstdint>

#include "node/safetensors_header.h"
#include "protocol/fresh_file.h"

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
  FreshFile fresh(file);
  std::ofstream& out = fresh.out();
  out.write(reinterpret_cast<const char*>(&header_bytes), sizeof header_bytes);
  out.write(header.data(), static_cast<std::streamsize>(header.size()));
  out.write(reinterpret_cast<const char*>(parameters.data()),
            static_cast<std::streamsize>(parameters.size_bytes()));
  return fresh.replace();
}

}  // namespace starling::node
