// What the two ends of a link of a mesh know of each other's shards.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/archive.h"

namespace starling::gossip {

struct MeshEdge {
  std::size_t owner;         // the neighbor's place among the nodes
  bool is_untouched = true;  // our copy of its shard is that of the start model
  bool open = false;
  bool in_use = false;     // and not suspended
  bool has_met = false;    // something that was told has counted
  bool has_heard = false;  // our copy of the neighbor's shard is as the neighbor has told
  bool in_step = false;    // the neighbor's copy of our shard is as we have told
  // Of our shard as the neighbor has it, while it is not in step; and as it would have it if the
  // pending exchange counted.
  std::uint64_t known_hash = 0, pending_hash = 0;

  void archive(Archive& archive) {
    archive.number("is_untouched", is_untouched);
    archive.number("open", open);
    archive.number("has_met", has_met);
    archive.number("has_heard", has_heard);
    archive.number("in_step", in_step);
    archive.number("known_hash", known_hash);
    archive.number("pending_hash", pending_hash);
  }
};

}  // namespace starling::gossip
