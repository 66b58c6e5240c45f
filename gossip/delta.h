// The sweeps over the model that the methods share.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "compress/finite.h"
#include "compress/kernels/bucket_norm.h"
#include "compress/kernels/norm_sums.h"
#include "protocol/bytes.h"
#include "protocol/check.h"

namespace starling::gossip {

// x -= update.
inline void subtract(std::span<float> x, std::span<const float> update) {
  INVARIANT(x.size() == update.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] -= update[i];
}

// x += update.
inline void add(std::span<float> x, std::span<const float> update) {
  INVARIANT(x.size() == update.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += update[i];
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

// The same bits on every machine; not finite exactly where x is not.
inline double norm_of(std::span<const float> x) {
  return compress::bucket_norm(x, compress::BucketNorm::l2);
}

// ‖a - b‖: the same bits on every machine, and with the two swapped.
inline double distance(std::span<const float> a, std::span<const float> b) {
  INVARIANT(a.size() == b.size());
  constexpr std::size_t kLanes = compress::kSumLanes;
  std::array<double, kLanes> lanes{};
  const auto add = [&](std::size_t i, std::size_t lane) {
    const double apart = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    lanes[lane] += apart * apart;
  };
  const std::size_t whole = a.size() - a.size() % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  }
  for (std::size_t i = whole; i < a.size(); ++i) add(i, i - whole);
  return std::sqrt(compress::add_lanes(lanes));
}

// The norm of a body that has to be exactly `count` finite floats, in one sweep. Fails as
// compress::check_raw_floats does.
inline Result<double> norm_of_raw(const SharedBytes& body, std::size_t count) {
  if (body.size() == count * sizeof(float)) {
    const double norm = norm_of(body.floats());
    if (std::isfinite(norm)) return norm;
  }
  return compress::check_raw_floats(body.bytes(), count).error();
}

inline std::uint64_t hash_of_floats(std::span<const float> x) { return hash_of(std::as_bytes(x)); }

// Of what each end of an edge has told the other: the same at both.
inline std::uint64_t hash_of_both(std::uint64_t ours, std::uint64_t theirs, bool self_is_low) {
  return self_is_low ? 3 * ours + theirs : 3 * theirs + ours;
}

}  // namespace starling::gossip
