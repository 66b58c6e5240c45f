// Sweeps over more than the caches hold ask for their memory themselves: the processor's own guess
// begins anew wherever a sweep looks elsewhere in between, and is shallow on many virtual machines.
#pragma once

#include <cstddef>

namespace starling::compress {

// Asks for `floats` floats as far ahead of `at` as pays; also beyond the end of what there is,
// which does nothing.
template <bool kToWrite = false>
inline void ask_ahead(const float* at, std::size_t floats) {
  constexpr std::size_t kAhead = 1024, kLine = 64 / sizeof(float);
  for (std::size_t i = 0; i < floats; i += kLine) __builtin_prefetch(at + kAhead + i, kToWrite);
}

}  // namespace starling::compress
