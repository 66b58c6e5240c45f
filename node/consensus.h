// How far a node's model is from those of its neighbors while they train: each tells the others now
// and then where its model is, by 1 KiB.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>

#include "compress/norm_sketch.h"
#include "node/core.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::node {

// Of a model after that many rounds. All nodes of a run draw the same key for the same round, so
// two such sketches tell the distance of the models.
struct ModelSketch {
  Round rounds = 0;
  compress::NormSketch cells = {};
};

ModelSketch sketch_model(std::span<const float> model, std::uint64_t seed, Round rounds);

// When a node sketches its model: after rounds that are multiples of a power of two, the smallest
// that keeps what it sends and computes for that below a hundredth of what the rounds send and
// compute, by what was seen since the one before. Nodes need not agree on it: the multiples of one
// are among those of a smaller one, so two nodes meet at the larger of theirs.
class SketchPace {
 public:
  static constexpr Round kEveryMin = 16, kEveryMax = Round{1} << 20;
  // What goes to each neighbor: header, message, sketch.
  static constexpr std::uint64_t kFrameBytes = 1104;

  bool is_due(Round rounds) const { return rounds > 0 && rounds % every_ == 0; }
  Round every() const { return every_; }
  // One was made for so many neighbors, which took so long.
  void made(const Progress& progress, std::size_t neighbors, Duration took);

 private:
  Round every_ = kEveryMin;
  Duration took_ = Duration::max();  // the least: more is what else the machine had to do
  Progress before_;                  // when the last one was made
};

// What is known of the models of a node and its neighbors. A neighbor of which nothing was heard
// after a round that this node has sketched, too, is unknown, not at distance 0. Holds kKept
// sketches of each, whatever they send.
class Consensus {
 public:
  static constexpr std::size_t kKept = 8;

  struct Distance {
    Round rounds = 0;     // done when the models were sketched
    double relative = 0;  // ‖x_i - x_j‖ / ‖x_i‖, off by about 4 % (compress/norm_sketch.h)
  };

  void note_own(const ModelSketch& sketch);
  // What a neighbor has told. Fails with ErrorCode::peer where that is no sketch.
  Result<void> note(NodeId peer, Round rounds, std::span<const std::byte> sketch);
  // Its link is down, or its edge is gone.
  void forget(NodeId peer) { neighbors_.erase(peer); }
  void forget_all() { neighbors_.clear(); }

  std::optional<Distance> to(NodeId peer) const;
  // Root mean square over the neighbors that are known, with the rounds of the oldest.
  std::optional<Distance> to_all() const;

 private:
  using Kept = std::deque<ModelSketch>;  // the newest last
  struct Neighbor {
    Kept sketches;
    std::optional<Distance> distance;  // of the largest round that both have sketched
  };
  void compare(Neighbor& neighbor) const;

  Kept own_;
  std::map<NodeId, Neighbor> neighbors_;
};

}  // namespace starling::node
