// What a node's core knows of one neighbor beside what the algorithm does.
#pragma once

#include <optional>
#include <vector>

#include "gossip/algorithm.h"
#include "node/healing.h"
#include "node/strikes.h"
#include "protocol/ids.h"

namespace starling::node {

// The link is up at both ends in this epoch. Both know what both said of themselves in its
// handshake, so both conclude alike who joins whom.
struct PeerUp {
  NodeId peer;
  Epoch epoch;
  Round round;     // of the neighbor
  Round told = 0;  // of this node

  // A node at the beginning, on a link without a past, to one that is further: it may want a model
  // first, so it speaks first.
  bool is_newcomer() const { return epoch == 1 && round == 0 && told > 0; }
};

struct Partner {
  NodeId id;
  std::optional<Epoch> epoch = std::nullopt;  // of its link, while that is up
  bool settled = false;                       // its edge takes part
  bool awaited = true;                        // before the first round
  // The algorithm knows of the link. Until then it is held back here, with what came on it.
  bool admitted = false;
  std::vector<gossip::Received> held = {};
  Healing healing = {};
  Strikes strikes = {};
  // Its link came up while it was left out: it is held back until that is over.
  bool barred = false;

  // The same neighbor on another link, or on none.
  Partner anew(std::optional<Epoch> link) const {
    return {.id = id, .epoch = link, .awaited = awaited, .healing = healing, .strikes = strikes};
  }

  // A correct neighbor says no more before it has heard this node.
  static constexpr std::size_t kHeldMax = 4;
};

}  // namespace starling::node
