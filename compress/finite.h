// The gate that keeps NaN and infinity of others out of our model.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace starling::compress {

// The index of the first NaN or infinity, if any. Looks at the exponent bits only, so it does not
// depend on floating-point modes.
std::optional<std::size_t> first_non_finite(std::span<const float> x);

}  // namespace starling::compress
