// Models as .safetensors files, which PyTorch and NumPy open as they are: eight bytes of header
// length (little endian), a JSON header that names each tensor's dtype, shape and place, then the
// raw float32 data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
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

// Reads a file of float32 tensors, ours or another program's. The layout is in the order of the
// data, whatever the header's. Trusts nothing: the header's length and depth are limited, tensors
// have to cover the data without gap or overlap, and memory is asked for when the file is known to
// fill it. Fails with ErrorCode::io, naming the file, what was found and what was expected.
Result<Model> read_safetensors(const std::filesystem::path& file);

// The same from a stream of that many bytes; errors do not name it.
Result<Model> read_safetensors(std::istream& in, std::uint64_t bytes);

}  // namespace starling::node
