// A fuzz target's own seeds, from which its corpus begins.
#pragma once

#include <cstddef>
#include <vector>

namespace starling::fuzz {

using Seed = std::vector<std::byte>;
std::vector<Seed> seeds();

}  // namespace starling::fuzz
