// Seeds as they are typed: 17, or 0..99.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/result.h"

namespace starling::daemon {

struct Seeds {
  std::uint64_t first, last;
};

// `flag` names the option in the sentence. Fails with ErrorCode::config; no more than a million.
Result<Seeds> parse_seeds(const std::string& flag, const std::string& text);

}  // namespace starling::daemon
