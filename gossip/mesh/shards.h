// How the model is cut between the nodes of a mesh.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace starling::gossip {

// Node number p of n owns the p-th of n neighboring parts of the flat vector, whose lengths differ
// by one float at most. Parts of models of fewer floats than nodes may be empty.
class Shards {
 public:
  Shards(std::size_t floats, std::size_t owners) : floats_(floats), owners_(owners) {}

  std::size_t floats() const { return floats_; }
  std::size_t owners() const { return owners_; }
  std::size_t begin(std::size_t owner) const { return floats_ * owner / owners_; }
  std::size_t size(std::size_t owner) const { return begin(owner + 1) - begin(owner); }
  std::size_t longest() const { return (floats_ + owners_ - 1) / owners_; }

  // The owner's part of a vector of floats() floats.
  std::span<float> of(std::size_t owner, std::span<float> x) const {
    return x.subspan(begin(owner), size(owner));
  }
  std::span<const float> of(std::size_t owner, std::span<const float> x) const {
    return x.subspan(begin(owner), size(owner));
  }

 private:
  std::size_t floats_, owners_;
};

// Work memory for one shard at a time, from its first use on.
class ShardBuffer {
 public:
  // For the owner's shard; whatever it held before is in it.
  std::span<float> of(const Shards& shards, std::size_t owner) {
    floats_.resize(
        shards.longest());  // one length for all: no growth by one, which would double it
    return std::span(floats_).first(shards.size(owner));
  }

 private:
  std::vector<float> floats_;
};

}  // namespace starling::gossip
