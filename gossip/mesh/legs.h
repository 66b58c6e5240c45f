// The two legs of a mesh round: from every node to the owner of each shard, and from each owner to
// all. A method published for workers and a server is what its legs do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "gossip/mesh/participation.h"
#include "gossip/mesh/shards.h"
#include "gossip/method.h"

namespace starling::gossip {

// What both legs are made of. Nodes are numbered by their shards.
struct LegInputs {
  Shards shards;
  std::size_t self;
  NodeId node;
  std::uint64_t seed;                                // of the run
  std::unique_ptr<compress::Compressor> compressor;  // takes vectors of every size
  Participation participation = {};                  // of the nodes, by their shards; up legs alone
};

// Worker to server: what a node sends to the owner of each shard, and what the owner makes of the
// pieces of all nodes. A piece that is not counted counts at neither end, as if C had been 0 there.
//
// adapt, then encode for those owners whose edges take part and for the node's own shard; then for
// each piece that counts `counted` where it was made and `take` where it went; then reduce. Pieces
// are taken in ascending order of nodes, so that sums are the same bits on every machine, but for
// those that are made up for after a break, which come between two rounds (`late`).
class UpLeg {
 public:
  virtual ~UpLeg() = default;

  virtual void adapt(const LocalStep& step) = 0;
  // Leaves `room` bytes in front. Fails (ErrorCode::diverged) as Compressor::encode.
  virtual Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) = 0;
  // Whether this can be a node's piece for this owner's shard, and the norm of what it holds.
  virtual Result<double> check(Exchange exchange, std::span<const std::byte> piece) const = 0;
  virtual void counted(Exchange exchange, std::size_t owner, std::span<const std::byte> piece,
                       bool late) = 0;
  virtual void take(Exchange exchange, std::size_t from, std::span<const std::byte> piece,
                    bool late) = 0;
  // What the pieces come to, for the down leg: most often the mean over all nodes, of the own
  // shard; times rate() it is what a round moves the model by. Has room for the own shard.
  virtual void reduce(Exchange exchange, std::span<float> mean) = 0;
  virtual double rate() const = 0;
  // Of the largest piece for a shard of that many floats.
  virtual std::size_t bytes_max(std::size_t floats) const = 0;

  // As MessageCoder has it.
  virtual void spare(bool /*on*/) {}
  // What this node and that one hold of each other begins anew, at both.
  virtual void open(std::size_t /*other*/) {}
  // Of what the two hold alike of each other's pieces.
  virtual std::uint64_t hash(std::size_t /*other*/, bool /*self_is_low*/) const { return 0; }
  // Shards have moved since the state was saved: what belonged to the old ones is let go of.
  virtual void rewired() {}
  // Edges are members of the roster "edge"; `owners[e]` is who is at the other end.
  virtual void archive(Archive& archive, std::span<const std::size_t> owners) = 0;
};

// Server to workers: what an owner tells all nodes of its shard, and what they do with it. All
// apply the same bytes, the owner too, so that what is common() stays equal on all nodes to the
// bit.
class DownLeg {
 public:
  virtual ~DownLeg() = default;

  // What all nodes hold alike, of d floats each: first the model, or what stands for it where nodes
  // move away from it between two exchanges. None where models differ.
  virtual std::vector<std::span<float>> common() = 0;
  // Of this owner's shard, with what the up leg has reduced and its rate. Leaves `room` bytes in
  // front.
  virtual Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double rate,
                                   std::size_t room) = 0;
  // Whether that owner can have told this, and the norm of what it holds.
  virtual Result<double> check(Exchange exchange, std::size_t owner,
                               std::span<const std::byte> message) const = 0;
  // `rate`: what the owner encoded with. `late` as with pieces.
  virtual void apply(Exchange exchange, std::size_t owner, std::span<const std::byte> message,
                     float rate, bool late) = 0;
  // Of the largest message for a shard of that many floats.
  virtual std::size_t bytes_max(std::size_t floats) const = 0;

  virtual void spare(bool /*on*/) {}
  // The model is another one than before; also before anything else.
  virtual void begin() {}
  // Just before an owner's shard of all that is common becomes what it was told, `start` the shard
  // of common().front().
  virtual void starts_anew(std::size_t /*owner*/, std::span<const float> /*start*/) {}
  virtual void rewired() {}
  virtual void archive(Archive& archive) = 0;
};

// Of one method. Each may hold spans of the model; what they share outlives both.
struct Legs {
  std::unique_ptr<UpLeg> up;
  std::unique_ptr<DownLeg> down;
  // Pairs of exchanges a round, up and down; the last pair moves what is common.
  std::uint32_t pairs = 1;
  // Rounds without any exchange; none: there are none.
  std::function<bool(Round)> is_silent = {};
};

}  // namespace starling::gossip
