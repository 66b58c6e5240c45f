// The least that can be done with memory: reading it. What benchmarks compare every other kernel
// with.
#pragma once

#include <cstdint>
#include <span>

namespace starling::compress {

// The bits of all floats, or-ed together. Any alignment. Every thread.
std::uint64_t read_all(std::span<const float> x);

namespace ref {
std::uint64_t read_all(std::span<const float> x);
}  // namespace ref

}  // namespace starling::compress
