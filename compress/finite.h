// The gates that keep NaN and infinity out: those of others out of our model, ours off the wire.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "protocol/result.h"

namespace starling::compress {

// The index of the first NaN or infinity, if any. Looks at the exponent bits only, so it does not
// depend on floating-point modes.
std::optional<std::size_t> first_non_finite(std::span<const float> x);

// Fails (ErrorCode::diverged) where x holds NaN or infinity: what an encoder answers.
Result<void> check_finite(std::span<const float> x);

// e += g, and the same of the new e, in one sweep over memory.
Result<void> add_finite(std::span<float> e, std::span<const float> g);

// What has overflowed becomes the largest float of its sign.
void saturate(std::span<float> x);

// Checks that `bytes`, at any alignment, are exactly `count` finite floats. Fails with
// ErrorCode::peer; the error names the length or the index and value that are wrong.
Result<void> check_raw_floats(std::span<const std::byte> bytes, std::size_t count);

}  // namespace starling::compress
