// How much of the same a test does. A sanitizer is slower, and sees in a part what it would see in
// the whole; what the whole shows beyond that are numbers, and a release shows them.
#pragma once

#include <doctest/doctest.h>

namespace starling {

#ifdef STARLING_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

template <class T>
constexpr T effort(T released, T sanitized) {
  return kSanitized ? sanitized : released;
}

// For a case of numbers alone: the code that makes them is shown to the sanitizers by others.
// TEST_CASE("…" * in_release_only)
inline const auto in_release_only = doctest::skip(kSanitized);

}  // namespace starling
