// The moments that 1-bit and 0/1 Adam hold alike on all nodes.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "protocol/ids.h"

namespace starling::gossip {

// Adam whose second moment is learned in the rounds below `freeze` and stays as it is from then on.
// Both moments are corrected for their start in the warm-up, and v once more where it freezes; a
// coordinate whose v is below a tenth of its shard's mean takes that, for a variance that froze
// while it was tiny is a step without bound (specification §4, measured).
//
// Of one shard at a time, so that all nodes, who hear of each owner's shard, compute the same.
class AdamMoments {
 public:
  AdamMoments(std::size_t floats, Round freeze) : m(floats), v(floats), freeze_(freeze) {}

  Round freeze() const { return freeze_; }

  static constexpr float kBeta1 = 0.9f, kBeta2 = 0.999f, kEpsilon = 1e-8f;

  // Whether gradients have said anything of it.
  static bool is_known(std::span<const float> v);
  // The part of m that gradients have filled after so many of them; the rest is the 0 it began at.
  static double filled(Round gradients);
  // Takes a mean gradient of a round of the warm-up into m, and into v where `learns`.
  static void take(std::span<float> m, std::span<float> v, std::span<const float> gradient,
                   bool learns);
  // 1 / (√v̂ + ε) of each coordinate of the shard, v̂ as it stands after `updates` of v.
  static void fill_scales(std::span<const float> v, Round updates, std::span<float> scales);
  // Where an owner knows of no variance, because it has joined or lost its memory, its shard takes
  // that of the mean momentum: ten times the mean square, for an average over gradients is shorter
  // than they are. Does nothing where v holds anything.
  static void learn_from_momentum(std::span<float> v, std::span<const float> m, Round updates);

  std::vector<float> m, v;  // of d floats

 private:
  const Round freeze_;
};

}  // namespace starling::gossip
