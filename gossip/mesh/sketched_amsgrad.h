// SketchedAMSGrad: sketches of all nodes add up to the sketch of their mean, which says where its
// large coordinates are; those are then told exactly.
#pragma once

#include <memory>
#include <span>

#include "compress/count_sketch.h"
#include "gossip/mesh/legs.h"

namespace starling::gossip {

// Xian, Huang, Huang, ICDM 2022 (specification §5). Four exchanges a round, with rates a_t:
//
//   node i: m_i <- β₁ m_i + (1 - β₁) g_i;  w_i = m_i + (a_{t-1} / a_t) e_i;  S(w_i) goes up
//   owner:  the k coordinates with the largest |estimate of mean w_i| / √v̂ go down
//   node i: w_i there goes up, exactly;  e_i = w_i, with 0 there
//   owner:  h = mean w_i there, 0 elsewhere;  v <- β₂ v + (1 - β₂) h²;  v̂ <- max(v̂, v)
//           a_t h / √v̂ goes down, which all subtract from the model
//
// A quarter of the k are taken in turn instead: where data differ, a coordinate whose mean is small
// and never chosen has e_i that grow at every node, apart from each other and without bound. That
// is ours.
//
// β₁ = 0.9, β₂ = 0.99, v̂ begins at ν = 1e-8. All nodes and rounds use hash functions of their own
// for each shard, so that errors of the sketch average out. The error of a sketch moves no model:
// it costs coordinates that are looked at in vain (§5, measured: with the errors in the sketch it
// diverges where sketches are small).
//
// State: m_i and e_i, of d floats each; v and v̂ of the owner's shard. `keep`: k, of each shard.
Legs make_sketched_amsgrad(LegInputs inputs, std::unique_ptr<compress::CountSketch> sketch,
                           std::size_t keep, std::span<float> model);

}  // namespace starling::gossip
