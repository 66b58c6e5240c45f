// Models as .safetensors files, which PyTorch and NumPy open as they are: eight bytes of header
// length (little endian), a JSON header that names each tensor's dtype, shape and place, then the
// raw float32 data.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "protocol/result.h"
#include "protocol/tensor_layout.h"

namespace starling::node {

// Writes beside `file` and renames, so that a reader sees the old file or the new one. `notes` go
// into the header's __metadata__. Fails with ErrorCode::io, naming the file and the reason.
Result<void> write_safetensors(const std::filesystem::path& file, const TensorLayout& layout,
                               std::span<const float> parameters,
                               const std::map<std::string, std::string>& notes);

struct Model {
  TensorLayout layout;
  std::vector<float> parameters;
  std::map<std::string, std::string> notes;
};

// Reads what write_safetensors wrote: F32 tensors that follow each other without gaps. Fails with
// ErrorCode::io, naming the file, what was found and what was expected.
Result<Model> read_safetensors(const std::filesystem::path& file);

}  // namespace starling::node
