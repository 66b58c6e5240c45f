// What a fuzz target of a decoder is made of: decoder.cc and a file that lists its operators.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "compress/compressor.h"

namespace starling::fuzz {

struct Case {
  std::size_t d;  // at most 255 · 4 floats are made from an input
  std::function<std::unique_ptr<compress::Compressor>()> make;
};

// The operators and sizes that the target covers; at most 128. An input's first byte chooses one.
std::vector<Case> cases();

}  // namespace starling::fuzz
