// The sweeps over the model that the methods share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/check.h"

namespace starling::gossip {

// x -= update.
inline void subtract(std::span<float> x, std::span<const float> update) {
  INVARIANT(x.size() == update.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] -= update[i];
}

// x += weight · (theirs - ours). With the two swapped the other end of the edge adds exactly the
// negative.
inline void add_difference(std::span<float> x, float weight, std::span<const float> theirs,
                           std::span<const float> ours) {
  INVARIANT(x.size() == theirs.size() && x.size() == ours.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += weight * (theirs[i] - ours[i]);
}

// a - b, into memory that the caller keeps between calls.
inline std::span<const float> difference(std::span<const float> a, std::span<const float> b,
                                         std::vector<float>& into) {
  INVARIANT(a.size() == b.size());
  into.resize(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) into[i] = a[i] - b[i];
  return into;
}

// x as it is: the body of the methods that do not compress.
inline SharedBytes raw_message(std::span<const float> x) {
  ByteBlock block(x.size_bytes());
  std::ranges::copy(x, block.floats().begin());
  return block;
}

}  // namespace starling::gossip
