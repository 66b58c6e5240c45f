// A mesh: every node is the server of one shard of the model, so that methods published for a
// server run without one.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "gossip/common.h"
#include "gossip/mesh/legs.h"
#include "gossip/method.h"

namespace starling::gossip {

// A round has two exchanges on a complete graph (specification §0.2). In exchange 0 every node
// sends each owner its piece for that shard, and the owner reduces them; in exchange 1 the owner
// tells all, and all apply the same bytes. With every edge up this is the method with a server and
// the compressor taken shard by shard, to the bit. Methods may go up and down more than once a
// round (Legs::pairs); what is common moves with the last message down.
//
// What is common stays so: an owner numbers what it tells by rounds, and a neighbor that missed
// some gets the owner's shard of all that is common in front of the next message (Message::start):
// d / n floats each. A node whose edge to an owner is down goes on with that shard as it is. In
// every sixteenth round the piece of exchange 0 brings the sender's hash of the owner's shard; one
// that differs is refused, and the edge begins anew.
//
// Where nodes have left (rewired) shards move: the new owners tell theirs in whole, and what
// belonged to old ones is let go of.
//
// A run has one schedule of rates for all nodes. So an owner's, which comes with what it tells, is
// refused where it is more than kMeshRateFactor times the largest that this node told: the owner
// may be a round ahead, or have summed up the rates of rounds in which this node was away.
inline constexpr double kMeshRateFactor = 100;

struct MeshInputs {
  std::span<const float> start;  // copied
  Common common;                 // what models begin at where nobody has told of them
  std::vector<EdgeEnd> edges;    // one to each other node
  std::vector<NodeId> present;   // all nodes, ascending, this one among them
  NodeId self;
  // The legs may keep the span, which is the model that they move.
  std::function<Legs(std::span<float> model)> make_legs;
};

std::unique_ptr<Method> make_mesh(MeshInputs inputs);

}  // namespace starling::gossip
