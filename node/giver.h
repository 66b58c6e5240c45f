// The model of this node, for a neighbor that joins: the side that gives.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "gossip/algorithm.h"
#include "protocol/bytes.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::node {

struct GiverOptions {
  Duration keep = std::chrono::seconds{30};  // after the last ask
  Round share = 2;                           // a snapshot so many rounds old is given once more
  std::size_t waiting_max = 8;               // asks of one neighbor without an answer
};

// Keeps one immutable copy of the model, taken between two rounds when somebody asks, of which
// every piece on its way is a part: d floats, however many ask. A neighbor that asks shares the
// copy while another one is fetching it or while it is fresh. Training waits for nobody.
//
// It keeps no account of what a neighbor has: every ask says what it wants and gets one answer.
// Engine thread; deterministic.
class Giver {
 public:
  explicit Giver(GiverOptions options = {}) : options_(options) {}

  // The answer to an ask of a node that is in `round`, but for its epoch and round; nothing: it has
  // to wait for give(). Fails (ErrorCode::peer) where no correct neighbor asks so.
  Result<std::optional<gossip::Parcel>> answer(NodeId from, const gossip::Parcel& ask, Round round,
                                               Time now);
  // Between two rounds: the answers to all who wait, from the model after `round` rounds.
  std::vector<std::pair<NodeId, gossip::Parcel>> give(std::span<const float> model, Round round);
  bool has_waiting() const { return !waiting_.empty(); }
  void down(NodeId peer);
  // Lets go of what everybody has who asked for it, or what nobody has asked for lately.
  void look_at_time(Time now);
  std::size_t kept_bytes() const { return snapshot_ ? snapshot_->model.size() : 0; }

  // The answer of a node that has no model to give.
  static gossip::Parcel nothing();

 private:
  struct Snapshot {
    std::uint64_t name;
    Round round;
    SharedBytes model;
  };
  static gossip::Parcel announce(const Snapshot& snapshot);
  Result<gossip::Parcel> piece(NodeId from, std::uint32_t index);
  bool may_share(NodeId with, Round round) const;

  const GiverOptions options_;
  std::optional<Snapshot> snapshot_;
  std::map<NodeId, std::size_t> waiting_;  // asks for a snapshot
  std::set<NodeId> fetching_;              // have it and not its last piece
  std::set<NodeId> interrupted_;           // likewise, and may come back for it
  Time used_{0};
};

}  // namespace starling::node
