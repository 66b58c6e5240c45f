// Sweeps over more than the caches hold ask for their memory themselves: the processor's own guess
// begins anew wherever a sweep looks elsewhere in between, and is shallow on many virtual machines.
#pragma once

#include <cstddef>

namespace starling::compress {

// Floats from a read to what is asked for meanwhile; a sweep over one vector pays off further ahead
// than one over two, which together would not stay in the first cache.
constexpr std::size_t kAheadOfOne = 2048, kAheadOfTwo = 1024;

constexpr int kFirstCache = 3, kSecondCache = 2;  // where to, as __builtin_prefetch has it

// Asks for `floats` floats kAhead floats ahead of `at`; also beyond the end of what there is, which
// does nothing.
template <bool kToWrite = false, std::size_t kAhead = kAheadOfTwo, int kCache = kFirstCache>
inline void ask_ahead(const float* at, std::size_t floats) {
  constexpr std::size_t kLine = 64 / sizeof(float);
  for (std::size_t i = 0; i < floats; i += kLine)
    __builtin_prefetch(at + kAhead + i, kToWrite, kCache);
}

}  // namespace starling::compress
