// SHA-256, for telling models and descriptions apart.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace starling::node {

// 64 lower-case hex digits.
std::string sha256_of(std::span<const std::byte> bytes);
std::string sha256_of(std::string_view text);
// Of the parameters as little-endian float32.
std::string sha256_of(std::span<const float> parameters);

}  // namespace starling::node
