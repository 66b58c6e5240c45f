// The header of a .safetensors file, for those who read and write one: models (safetensors.h) and
// checkpoints (checkpoint.h).
//
//   file = header length (8 bytes, little endian) · header (JSON, padded with spaces to 8) · data
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/result.h"

namespace starling::node {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // "F32" or "U8"
  std::vector<std::size_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes, behind the header
  bool operator==(const SafetensorsEntry&) const = default;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;     // in the order of the data
  std::map<std::string, std::string> notes;  // __metadata__
  std::uint64_t data_bytes() const { return entries.empty() ? 0 : entries.back().end; }
};

constexpr std::uint64_t kSafetensorsHeaderMax = 16 << 20;

// The JSON with its padding. What is not UTF-8 is replaced.
std::string to_json(const SafetensorsHeader& header);

// Trusts nothing: depth is limited, entries have to cover the data without gap or overlap, and what
// any file can hold bounds their sizes. Fails with ErrorCode::io; the error does not name the file.
Result<SafetensorsHeader> parse_safetensors_header(const std::string& text);

// What is wrong with a header's length in a file of that many bytes, if anything.
std::optional<Error> objection_to_header_length(std::uint64_t header_bytes,
                                                std::uint64_t file_bytes);

// "tensor 'NAME' WHAT", whatever bytes the name has in it.
Error broken_tensor(const std::string& name, const std::string& what);

}  // namespace starling::node
