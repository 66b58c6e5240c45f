// What an operator costs on given data and this machine: for `starling bench compress`.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compress/options.h"
#include "protocol/result.h"
#include "protocol/tensor_layout.h"

namespace starling::daemon {

// A model's values, and how they are tensors.
struct Values {
  std::string origin;  // in words, for people
  TensorLayout layout;
  std::vector<float> floats;
};

// N(0, 1) · exp(½ N(0, 1)), heavier in the tails than normal as gradients are: a matrix as square
// as possible, and a vector of what is left over.
Values synthetic_values(std::size_t floats);
// A .safetensors file. Fails (ErrorCode::data) where it is none, holds no float or not only finite
// ones.
Result<Values> values_of_file(const std::string& file);

struct Configuration {
  std::string label;
  compress::OperatorOptions options;
};
// Every operator, some more than once, with thresholds and steps that suit these values.
std::vector<Configuration> configurations(std::span<const float> x);

struct OperatorCost {
  std::size_t bytes = 0;      // of a message, the third of a fresh operator
  double relative_error = 0;  // of that one: ‖C(x) - x‖² / ‖x‖²
  // Medians of one call on one core, and of reading x in turn with them.
  double encode_seconds = 0, decode_seconds = 0, read_seconds = 0;
};
// Fails (ErrorCode::config) as make_compressor does, and where the values are none that the
// operator takes (ErrorCode::data).
Result<OperatorCost> measure(const compress::OperatorOptions& options, const Values& values);

}  // namespace starling::daemon
